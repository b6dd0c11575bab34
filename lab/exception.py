"""The errors of the lab.

LabError
 +-- CommandFailed    a program that was run ended with an error
 +-- ProgramEnded     a process of the cloud is not running any more
 +-- NotReady         something did not come up in time
 +-- HostReset        the virtual host was reset, and nobody had asked for it
 +-- PortTaken        another process has a port of the cloud
 +-- OtherSettings    the cloud runs, with other settings than the wanted ones
 +-- Unsuited         this machine or this user can't do it
"""

from __future__ import annotations


class LabError(Exception):
    """Something of the lab went wrong; the message says what to do."""


class CommandFailed(LabError):
    """A program that was run ended with an error."""


class ProgramEnded(LabError):
    """A process of the cloud is not running any more."""


class NotReady(LabError):
    """Something did not come up in time."""


class HostReset(LabError):
    """The virtual host was reset, and nobody had asked for it."""


class PortTaken(LabError):
    """Another process has a port of the cloud."""


class OtherSettings(LabError):
    """The cloud runs, with other settings than the wanted ones."""


class Unsuited(LabError):
    """This machine or this user can't do it."""
