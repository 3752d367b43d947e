"""What is said in the mails about who one is. Links carry their token behind a `#`, which no server ever logs."""

from bevyly.mail.message import Link, Mail, letter

_NOT_YOU = "If this was not you, set a new password now: that logs out everybody who is in with the old one."


def verify(to: str, app_url: str, token: str) -> Mail:
    """To a new user."""
    return letter(
        to,
        "Confirm your email address",
        "Welcome to Bevyly. Please confirm that this is your address.",
        "The link works once and for a day. If you did not sign up, there is nothing to do.",
        link=Link("Confirm this address", f"{app_url}/verify-email#token={token}"),
    )


def reset(to: str, app_url: str, company: str, token: str) -> Mail:
    """To somebody who forgot the password that they have with `company`."""
    return letter(
        to,
        f"Set a new password for {company}",
        f"Somebody, probably you, asked for a new password for {company} on Bevyly.",
        "The link works once and for an hour. If you did not ask for it, there is nothing to do.",
        link=Link("Set a new password", f"{app_url}/reset-password#token={token}"),
    )


def confirm(to: str, app_url: str, token: str) -> Mail:
    """To the new address of a user."""
    return letter(
        to,
        "Confirm your new email address",
        "Please confirm that you want to use this address for Bevyly.",
        "The link works once and for a day. If you did not ask for it, there is nothing to do.",
        link=Link("Use this address", f"{app_url}/confirm-email#token={token}"),
    )


def password_changed(to: str) -> Mail:
    """To somebody whose password is another now."""
    return letter(to, "Your password was changed", "The password of your Bevyly account was changed.", _NOT_YOU)


def email_changed(to: str, new: str) -> Mail:
    """To the address that a user had before."""
    return letter(
        to,
        "Your email address was changed",
        f"Your Bevyly account now uses the address {new}.",
        "If this was not you, tell the owner of your Bevyly account at once.",
    )
