"""What stands in databases: identifiers of claims, names, summaries."""

from __future__ import annotations

from fuzz import addresses
from fuzz.target import check
from fuzz.target import of_text
from nova_gpuvirt import model
from nova_gpuvirt.model import device
from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text

_SLOTS = (
    'passthrough:0000:3b:00.0',
    'mdev:0000:3b:00.0/3@nvidia-t4-2q',
    'sriov:0000:0c:02.1@amd-instinct-mi300x-cpx-1of8',
    'set:0000:17:00.0+0000:2a:00.0',
    'api:renderD128/2@session',
)
_DEVICES = (
    '0000:3b:00.0',
    '00010000:3B:1f.7',
    'renderD128',
    '0000:17:00.0+0000:2a:00.0',
    'fabric0',
)
_LAYOUT = summary.Layout(
    'Tesla T4',
    (
        summary.Part('CUSTOM_VGPU_T4_2Q', 125_000, summary.Sharing.EQUAL),
        summary.Part(
            *('CUSTOM_X', 1, summary.Sharing.MIXED, False, 1, 1, 2, 'Q')
        ),
    ),
    'NVIDIA',
)
_SUMMARIES = (
    summary_text.dump(
        summary.Summary(
            (
                summary.Card('p', '0000:3b:00.0', _LAYOUT, 0, 'sw', left=(8,)),
                summary.Card('q', 'renderD128', _LAYOUT, vgpu=0),
            ),
            (summary.Sets('f', {'CUSTOM_GPU_SET_2': ((0, 1),)}),),
            ((summary.Request(4, 8192, (('VGPU', 1),)), 3),),
            ('155d900f',),
        )
    ),
    '[2,[["T4",[["VGPU",1,"e"]],[1]]],[],[],[],[]]',
    '[1,[["T4",[["VGPU",1,"e"]],1]],[["p","d",0,null,null,"",true,1,[1],0,2]]'
    ',[["f",{},1]],[[1,2,3,{"VGPU":1}]]]',
)


def _slot(text: str) -> None:
    found = model.Claim('VGPU', text).slot
    slot = model.Slot.parse(text)
    check(found == slot, 'a claim reads it in another way')
    check(str(slot) == text, f'{slot} is printed for {text!r}')
    addresses.stand_in(text, [slot.device])
    check(text.isprintable(), f'{text!r} acts on a terminal')
    for part in (*slot.parts, *slot.wholes):
        check(model.Slot.parse(str(part)) == part, f'{part} is not read again')


def _unread(text: str) -> None:
    """Let a claim read what may be no identifier: it never raises."""
    found = model.Claim('VGPU', text).slot
    check(found is None or str(found) == text, f'{text!r} is {found}')


def _device(text: str) -> None:
    found = device.parse_device(text)
    check(device.parse_device(str(found)) == found, f'{found} is another')
    addresses.stand_in(text, [found])


def _card(text: str) -> None:
    found = device.parse_card(text)
    check(device.parse_card(str(found)) == found, f'{found} is another')
    if isinstance(found, model.PciAddress):
        addresses.stand_in('0000:' + text, [found])


def _summary(text: str) -> None:
    found = summary_text.load(text)
    check(
        summary_text.load(summary_text.dump(found)) == found,
        'it is not read again',
    )
    hash(found.cards)
    for card in found.cards:
        card.part('VGPU')
        check(isinstance(card.unused, int), 'unused is no number')
        check(
            all(isinstance(n, int) for n in card.left), 'left are no numbers'
        )
    for sets in found.sets:
        check(
            all(
                0 <= index < len(found.cards)
                for free in sets.free.values()
                for each in free
                for index in each
            ),
            'a set of cards that are not there',
        )


TARGETS = (
    of_text(
        'slot',
        _slot,
        ('model.claim.Slot.parse',),
        _SLOTS,
        (ValueError,),
    ),
    of_text('claim', _unread, ('model.claim._slot',), _SLOTS),
    of_text(
        'device',
        _device,
        (
            'model.device.parse_device',
            'model.device.PciAddress.parse',
            'model.device.RenderNode.parse',
            'model.device.CardSet.parse',
            'model.device.FabricName.parse',
        ),
        _DEVICES,
        (ValueError,),
    ),
    of_text(
        'card',
        _card,
        ('model.device.parse_card',),
        (*_DEVICES[:3], '3b:00.0'),
        (ValueError,),
    ),
    of_text(
        'summary',
        _summary,
        ('model.summary_text.load',),
        _SUMMARIES,
        (summary_text.Unreadable,),
    ),
)
