"""People: registration, sign-in, second factors, wallets, sessions."""

from nsl.accounts.service.passwords import NoBreaches, Passwords
from nsl.accounts.service.registration import Registration
from nsl.accounts.service.second_factors import Enrolment, SecondFactors
from nsl.accounts.service.sessions import Issued, Sessions
from nsl.accounts.service.signing_in import SigningIn
from nsl.accounts.service.wallets import Wallets

__all__ = [
    "Enrolment",
    "Issued",
    "NoBreaches",
    "Passwords",
    "Registration",
    "SecondFactors",
    "Sessions",
    "SigningIn",
    "Wallets",
]
