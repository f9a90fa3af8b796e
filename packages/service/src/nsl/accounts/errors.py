"""What can go wrong for somebody who signs in.

InvalidCredentials   401  equal for an unknown address, a wrong password, a wrong signature
OtpRequired          401  the password is right; a second factor is missing
EmailNotVerified     403  the password is right; the address is not verified
AccountLocked        423  too many failures for this identifier, existing or not
TooManyAttempts      429  too many failures from this address, or too many mails asked for
NoTenant             403  the person belongs to no tenant, or not to the one asked for
LinkInvalid          422  a link, code or challenge that is unknown, used or expired
PasswordWeak         422  too easily guessed, or known from a breach
Busy                 503  too many passwords are being checked
RefreshRefused       401  a refresh token that is unknown, used or revoked
SecondFactorUnknown  404
SecondFactorThere    422  it is there already, or it is the only way to sign in
RegistrationClosed   403  people come by invitation here
"""

from nsl.kit.errors import Denied, Exhausted, Locked, Missing, Unauthenticated, Unavailable, Unprocessable


class InvalidCredentials(Unauthenticated):
    code = "INVALID_CREDENTIALS"


class OtpRequired(Unauthenticated):
    code = "OTP_REQUIRED"


class EmailNotVerified(Denied):
    code = "EMAIL_NOT_VERIFIED"


class AccountLocked(Locked):
    code = "ACCOUNT_LOCKED"


class TooManyAttempts(Exhausted):
    code = "TOO_MANY_ATTEMPTS"


class NoTenant(Denied):
    code = "NO_TENANT"


class LinkInvalid(Unprocessable):
    code = "LINK_INVALID"


class PasswordWeak(Unprocessable):
    code = "PASSWORD_WEAK"


class Busy(Unavailable):
    code = "BUSY"


class RefreshRefused(Unauthenticated):
    code = "REFRESH_REFUSED"


class SecondFactorUnknown(Missing):
    code = "SECOND_FACTOR_NOT_FOUND"


class SecondFactorThere(Unprocessable):
    code = "SECOND_FACTOR_EXISTS"


class RegistrationClosed(Denied):
    code = "REGISTRATION_CLOSED"
