"""Commands that ask a cloud say what of it does not answer."""

import logging
import unittest

import keystoneauth1.exceptions

from nova_gpuvirt import exception
from nova_gpuvirt.cli import asking


class AskingTest(unittest.TestCase):
    def refusal_of(self, error):
        with (
            self.assertRaises(exception.InvalidOption) as caught,
            asking.asking(),
        ):
            raise error
        return str(caught.exception)

    def test_missing_credentials_are_named_however_they_are_missed(self):
        for error in (
            keystoneauth1.exceptions.MissingAuthPlugin('auth_url'),
            # As keystoneauth1.identity.generic.password raises it.
            Exception('password is a required attribute'),
        ):
            said = self.refusal_of(error)
            self.assertIn("wanted an administrator's credentials", said)
            self.assertIn(str(error), said)
            self.assertIn('; set OS_CLOUD', said)

    def test_keystone_that_does_not_answer(self):
        said = self.refusal_of(
            keystoneauth1.exceptions.ConnectFailure('to http://k:5000')
        )
        self.assertIn('--os-cloud: wanted answers of Keystone', said)
        self.assertIn('to http://k:5000', said)
        self.assertIn('auth_url', said)

    def test_our_own_faults_are_not_the_cloud_s(self):
        with self.assertRaises(ValueError), asking.asking():
            raise ValueError

    def test_keystoneauth_is_silent_meanwhile_and_not_after(self):
        log = logging.getLogger('keystoneauth.identity')
        with self.assertLogs('keystoneauth', logging.DEBUG) as logged:
            with asking.asking():
                log.warning('meanwhile')
            log.warning('after')
        self.assertEqual(
            ['after'], [record.getMessage() for record in logged.records]
        )
