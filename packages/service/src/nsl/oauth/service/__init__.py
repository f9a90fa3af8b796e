"""The provider: authorization, grants, devices, inspection, logout, federation."""

from nsl.oauth.service.authorization import Authorization, Outcome
from nsl.oauth.service.client_authentication import ClientAuthentication
from nsl.oauth.service.devices import Device, Devices, Waiting
from nsl.oauth.service.federation import Arrival, Federation, Provider
from nsl.oauth.service.grants import Granted, Grants
from nsl.oauth.service.inspection import Inspection
from nsl.oauth.service.logout import Logout, LogoutRequest

__all__ = [
    "Arrival",
    "Authorization",
    "ClientAuthentication",
    "Device",
    "Devices",
    "Federation",
    "Granted",
    "Grants",
    "Inspection",
    "Logout",
    "LogoutRequest",
    "Outcome",
    "Provider",
    "Waiting",
]
