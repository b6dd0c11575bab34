"""Requests that nova-scheduler serves at once share what it remembers."""

import sys
import threading
import unittest
import uuid

from nova_gpuvirt.model import summary
from nova_gpuvirt.model import summary_text
from nova_gpuvirt.scheduler import candidate
from nova_gpuvirt.scheduler import demand
from nova_gpuvirt.scheduler import fleet
from nova_gpuvirt.scheduler import handed_out
from nova_gpuvirt.scheduler import policy as policy_
from nova_gpuvirt.scheduler import view as view_
from tests.unit.scheduler import worlds

THREADS = 8
HOSTS = 20
# A lost race is a matter of luck: so often it is tried.
ROUNDS = 10


def in_threads(work):
    """Run it at once in each thread, by the thread's number.

    Threads change as often as they can. What one raises is raised here.
    """
    start = threading.Barrier(THREADS)
    errors = []

    def run(number):
        start.wait()
        try:
            work(number)
        except Exception as error:
            errors.append(error)

    threads = [
        threading.Thread(target=run, args=(number,))
        for number in range(THREADS)
    ]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def text(model):
    """What a host tells that has one card of a model of its own."""
    layout = summary.Layout(
        model,
        tuple(
            summary.Part(f'CUSTOM_{rc}', 1000, summary.Sharing.MIXED)
            for rc in (model, *range(20))
        ),
    )
    request = summary.Request(2, 2048, ((f'CUSTOM_{model}', 1),))
    card = worlds.free(layout, f'card-{model}')
    return summary_text.dump(summary.Summary((card,), running=((request, 3),)))


class FleetTest(unittest.TestCase):
    def test_first_requests_of_a_fresh_scheduler_may_come_at_once(self):
        told = [text(f'M{number}') for number in range(HOSTS)]
        for _ in range(ROUNDS):
            seen = fleet.Fleet({})

            def request(number, seen=seen):
                # Each is offered the hosts in an order of its own.
                for host in (*range(number, HOSTS), *range(number)):
                    view = seen.view(f'host{host}', told[host])
                    self.assertIn(f'card-M{host}', view.cards)

            in_threads(request)
            units = seen.view('host0', told[0]).demand.units
            self.assertLessEqual(
                {(f'CUSTOM_M{number}', 1) for number in range(HOSTS)}, {*units}
            )


def costs(view, number):
    """What requests of some shapes cost on a host, one after the other."""
    found = {}
    for vcpus in range(number, number + 20):
        for policy in policy_.Policy:
            scorer = policy_.Scorer(policy, view, (64, 1 << 18), (vcpus, 2048))
            for card in view.summary.cards:
                part = candidate.Part(card.provider, 'CUSTOM_1', 1)
                # Twice of one card is looked up otherwise than once.
                for parts in ((part,), (part, part)):
                    found[vcpus, policy, parts] = scorer.cost(
                        view.effect(parts)
                    )
    return found


class ViewTest(unittest.TestCase):
    def test_requests_at_once_find_what_each_finds_alone(self):
        told = summary.Summary(
            tuple(
                card
                for number in range(3)
                for card in summary_text.load(text(f'M{number}')).cards
            )
        )
        layouts = dict.fromkeys(card.layout for card in told.cards)
        wanted = demand.Demand({}, layouts)
        alone = [
            costs(view_.View(told, wanted), number)
            for number in range(THREADS)
        ]
        for _ in range(ROUNDS):
            shared = view_.View(told, demand.Demand({}, layouts))

            def request(number, shared=shared):
                self.assertEqual(alone[number], costs(shared, number))

            in_threads(request)


class HandedOutTest(unittest.TestCase):
    def test_what_several_requests_hand_out_at_once_is_all_noted(self):
        card = worlds.free(summary.Layout('T4'), 'card')
        told = summary.Summary((card,))
        part = candidate.Part('card', worlds.CLASSES[0], 1)
        for _ in range(ROUNDS):
            notes = handed_out.HandedOut()

            def request(number, notes=notes):
                for _ in range(10):
                    notes.note(told, str(uuid.uuid4()), [part])
                    list(notes.pending(told))

            in_threads(request)
            self.assertEqual([part] * 10 * THREADS, [*notes.pending(told)])
