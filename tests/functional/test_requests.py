"""What a claim asks of Placement, while all other claims wait."""

import fixtures
from nova.scheduler.client import report

from tests.functional import base

_CLIENT = 'nova.scheduler.client.report.SchedulerReportClient'


class RequestsTest(base.GpuTestCase):
    def setUp(self):
        super().setUp()
        self.start_gpu_host('host1', 't4')

    def written(self, action):
        """What an action writes to resource providers, with the answers."""
        answers = []
        put = vars(report.SchedulerReportClient)['put']

        def wrapper(client, url, *args, **kwargs):
            answer = put(client, url, *args, **kwargs)
            if url.startswith('/resource_providers/'):
                answers.append((url.rpartition('/')[2], answer.status_code))
            return answer

        with fixtures.MonkeyPatch(f'{_CLIENT}.put', wrapper):
            action()
        return answers

    def test_a_claim_is_written_once_and_not_refused(self):
        # The first one also takes the card from a set.
        for writes in (2, 1):
            written = self.written(lambda: self.boot(base.VGPU))
            self.assertEqual([('inventories', 200)] * writes, written)

    def test_so_is_a_release(self):
        server = self.boot(base.VGPU)
        self.boot(base.VGPU)
        written = self.written(lambda: self._delete_server(server))
        self.assertEqual([('inventories', 200)], written)

    def test_nothing_is_written_while_nothing_happens(self):
        self.boot(base.VGPU)
        self.assertEqual([], self.written(self.run_periodic))

    def test_a_claim_is_made_where_the_generation_is_not_told(self):
        def no_answer():
            raise ConnectionError('no answer')

        with self.once_before(f'{_CLIENT}._get_inventory', no_answer):
            server = self.boot(base.VGPU)
        self.assertEqual(1, len(self.claims(server)))
        self.assert_agreed()
