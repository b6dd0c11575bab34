"""Which cards are in quarantine, and so not offered."""

from __future__ import annotations

from collections.abc import Iterator

from nova_gpuvirt import exception
from nova_gpuvirt.checks import finding
from nova_gpuvirt.checks import nova_conf
from nova_gpuvirt.checks import seen
from nova_gpuvirt.checks import subject as subject_
from nova_gpuvirt.health import quarantine
from nova_gpuvirt.health import record_text
from nova_gpuvirt.health import records


@finding.or_passed('no card is in quarantine')
def is_empty(subject: subject_.Subject) -> Iterator[finding.Finding]:
    """Read the records that nova-compute would, with this nova.conf."""
    path = nova_conf.text(subject.nova_conf, 'state_path')
    folder = records.folder_in(path.strip('/'))
    for name in seen.names(subject.root, folder):
        card = records.card_of(name)
        if card is None:
            continue
        file = f'{folder}/{name}'
        try:
            text = seen.text_if_there(subject.root, file)
            if text is None:
                continue
            found = record_text.parse(text, f'/{file}').quarantine
        except exception.InvalidRecord as error:
            yield finding.failure(
                f'{error.device}: {error.found}, so the card is not offered',
                error.remedy,
                card,
            )
            continue
        if found is not None:
            yield finding.warning(
                f'it is in quarantine: {quarantine.told(found)}',
                'run nova-gpuvirt release when it is well again',
                card,
            )
