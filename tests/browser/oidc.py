"""An OpenID provider of the tests' own, Canaille in memory, as a process: discovery, PKCE, passwords, sign-out.

python tests/browser/oidc.py PORT REDIRECT_URI
"""

import sys

CLIENT_ID, CLIENT_SECRET = "leadwise", "a secret that the app and its provider share"
PASSWORD = "a password of the tests"  # noqa: S105  # of people who do not exist
VERIFIED = ("reader@heart.example", "second@heart.example", "reviewer@heart.example", "stranger@heart.example")
UNVERIFIED = ("doubtful@heart.example",)


def serve(port: int, redirect_uri: str) -> None:
    """Answer as a provider that knows one client and five people."""
    from canaille import create_app
    from canaille.app import models
    from canaille.backends import Backend
    from werkzeug.serving import make_server

    app = create_app(
        {
            "SECRET_KEY": "the key of a provider that lives for one test",
            "SERVER_NAME": f"localhost:{port}",
            "PREFERRED_URL_SCHEME": "http",
            "SESSION_COOKIE_NAME": "provider_session",  # cookies know no port, and the app has a session of its own
            "CANAILLE": {"DATABASE": "memory", "LANGUAGE": "en", "JAVASCRIPT": False, "SMTP": None},
            "CANAILLE_OIDC": {"TRUSTED_DOMAINS": ["localhost"]},  # so that it asks for no consent: after that it forgets, on "select_account", that it knows who is there
        }
    )
    app.config["CANAILLE_OIDC"]["USERINFO_MAPPING"]["EMAIL_VERIFIED"] = "{{ user.title }}"
    with app.app_context():
        store = Backend.instance
        for who in (*VERIFIED, *UNVERIFIED):
            name = who.partition("@")[0]
            store.save(models.User(user_name=name, formatted_name=name, family_name=name, emails=[who], password=PASSWORD, title="false" if who in UNVERIFIED else "true"))
        client = models.Client(
            client_id=CLIENT_ID,
            client_secret=CLIENT_SECRET,
            client_name="Leadwise",
            client_uri="http://localhost",
            redirect_uris=[redirect_uri],
            post_logout_redirect_uris=[redirect_uri],
            grant_types=["authorization_code"],
            response_types=["code"],
            scope=["openid", "email", "profile"],
            token_endpoint_auth_method="client_secret_basic",  # noqa: S106  # the name of a method
        )
        store.save(client)
        client.audience = [client]  # itself has to be known first
        store.save(client)
    make_server("localhost", port, app, threaded=True).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
