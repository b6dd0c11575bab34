"""What a flavor asks for is read from Nova's own question to Placement."""

import unittest
import urllib.parse

from hypothesis import given
from hypothesis import strategies as st

from nova_gpuvirt import model
from nova_gpuvirt.explain import wanted

_HOST = ('VCPU', 'MEMORY_MB', 'CUSTOM_LICENSE')
_GPU = ('PGPU', 'VGPU', 'CUSTOM_VGPU_NVIDIA_T4_8Q', 'CUSTOM_GPU_SET_4')
TRAITS = st.sets(st.sampled_from(('CUSTOM_A', 'CUSTOM_B', 'HW_C')))


@st.composite
def groups(draw):
    suffixes = draw(st.sets(st.sampled_from(('', '1', '22', '_A-b'))))
    return tuple(
        wanted.Group(
            suffix,
            draw(
                st.dictionaries(
                    st.sampled_from(_HOST + _GPU),
                    st.integers(1, 99),
                    min_size=1,
                )
            ),
            frozenset(required := draw(TRAITS)),
            frozenset(draw(TRAITS) - required),
        )
        for suffix in sorted(suffixes)
    )


def query(asked, policy=None):
    """Put groups as Nova does."""
    parameters = [('limit', '1000')]
    if policy:
        parameters.append(('group_policy', policy))
    for group in asked:
        amounts = (f'{rc}:{n}' for rc, n in group.resources.items())
        parameters.append((f'resources{group.suffix}', ','.join(amounts)))
        traits = [*group.required, *(f'!{t}' for t in group.forbidden)]
        if traits:
            parameters.append((f'required{group.suffix}', ','.join(traits)))
    return urllib.parse.urlencode(parameters)


class WantedTest(unittest.TestCase):
    @given(groups(), st.sampled_from((None, 'none', 'isolate')))
    def test_every_group_is_read(self, asked, policy):
        read = wanted.read(query(asked, policy))
        self.assertEqual((asked, policy), (read.groups, read.policy))

    @given(groups())
    def test_request_for_one_host_keeps_every_group_there(self, asked):
        text = wanted.read(query(asked)).query_in('a-uuid')
        parameters = urllib.parse.parse_qs(text)
        for group in asked:
            self.assertEqual(['a-uuid'], parameters[f'in_tree{group.suffix}'])
        self.assertEqual(asked, wanted.read(text).groups)

    @given(groups())
    def test_nothing_that_is_asked_for_is_lost_or_asked_twice(self, asked):
        read = wanted.read(query(asked))
        of_gpus = [
            (ask.suffix, rc, count)
            for ask in read.of_gpus
            for rc, count in ask.resources.items()
        ]
        for group in asked:
            for rc, count in group.resources.items():
                each = group.suffix, rc, count
                self.assertEqual(
                    model.is_gpu_class(rc)
                    or bool(group.suffix)
                    and any(map(model.is_gpu_class, group.resources)),
                    of_gpus.count(each) == 1,
                    each,
                )
                self.assertLessEqual(of_gpus.count(each), 1)

    def test_classes_without_a_suffix_may_be_of_different_cards(self):
        asked = wanted.Group('', {'VCPU': 4, 'VGPU': 1, 'PGPU': 2})
        read = wanted.read(query([asked]))
        self.assertEqual(
            [{'PGPU': 2}, {'VGPU': 1}],
            [ask.resources for ask in read.of_gpus],
        )
        (host,) = read.of_hosts
        self.assertEqual({'VCPU': 4}, host.resources)

    def test_group_without_gpus_is_the_hosts(self):
        asked = wanted.Group('1', {'CUSTOM_LICENSE': 1}, frozenset({'HW_C'}))
        read = wanted.read(query([asked]))
        self.assertEqual(((), (asked,)), (read.of_gpus, read.of_hosts))
