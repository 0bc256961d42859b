"""What stands beside the strip: events, shapes, measurements, history."""
