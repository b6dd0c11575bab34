"""A server with each kind of GPU; the guest itself says what it sees."""

from __future__ import annotations

from lab.cloud import images
from lab.host import drawing_guest
from lab.host import places
from lab.tests.host import base
from lab.tests.host import kinds

# A trait of the test's own, on the card that has an audio function.
_WITH_AUDIO = 'CUSTOM_LAB_WITH_AUDIO'
_DRAWING = 'guest-that-draws'


class KindsTest(base.HostTestCase):
    def test_whole_card_with_its_audio(self) -> None:
        placement = self.api.placement
        provider = f'/resource_providers/{self.providers()["0000:01:00.0"]}'
        placement.put(f'/traits/{_WITH_AUDIO}')
        body = placement.get(f'{provider}/traits').json()
        body['traits'] = sorted({*body['traits'], _WITH_AUDIO})
        answer = placement.put(f'{provider}/traits', json=body)
        self.assertEqual(200, answer.status_code, answer.text)
        self._check(
            {'resources:PGPU': '1', f'trait:{_WITH_AUDIO}': 'required'},
            *(kinds.DISPLAY_SEEN, kinds.AUDIO_SEEN),
        )

    def test_set_of_two_cards(self) -> None:
        server = self.wait_on_host(self.boot(self.flavor(kinds.SET)))
        self.assert_agreed(server)

        def are_taken() -> bool:
            left = self.left()
            return not any(
                any(left[card].values()) for card in base.CARDS_OF_SET
            )

        self.until(are_taken, 60, 'its cards to be taken from other classes')
        self.assert_sees(
            *(server, kinds.DISPLAY_SEEN, kinds.DISPLAY_SEEN),
            kinds.AUDIO_SEEN,
        )

    def test_virtual_function(self) -> None:
        self._check(kinds.VF, kinds.VF_SEEN)

    def test_mdev_of_a_card(self) -> None:
        self._check(kinds.MDEV, kinds.MDEV_SEEN)

    def test_mdev_of_a_virtual_function(self) -> None:
        self._check(kinds.MDEV_OF_VF, kinds.MDEV_OF_VF_SEEN)

    def test_vendor_vfio(self) -> None:
        self._check(kinds.VENDOR_VFIO, kinds.VF_SEEN)

    def test_session_draws(self) -> None:
        for image in images.upload(
            *(self.api, _DRAWING, places.DRAWING_GUEST, drawing_guest.WORDS)
        ):
            self.addCleanup(self.api.image.delete_image, image)
        flavor = self.flavor(kinds.SESSION, ram=512)
        server = self.wait_on_host(self.boot(flavor, _DRAWING))
        self.assert_agreed(server)
        self.assert_sees(server, kinds.SESSION_SEEN)
        said = self.console(server)
        self.assertRegex(said, r'GL renderer: virgl \(.+\)')
        self.assertIn('GL pixel: 51 102 204 255', said)

    def _check(self, specs: kinds.Specs, *wanted: tuple[str, str]) -> None:
        """Boot a server, which is deleted: all is then as before."""
        server = self.wait_on_host(self.boot(self.flavor(specs)))
        self.assert_agreed(server)
        self.assert_sees(server, *wanted)
