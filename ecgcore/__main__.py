import sys

from ecgcore.cli import main

sys.exit(main())
