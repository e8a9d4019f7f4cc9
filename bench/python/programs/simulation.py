"""A class-heavy simulation: customers, servers and events of a queueing network, driven by an event heap.

Objects of several classes with methods, properties and small state; each event is an instance that is pushed on the
heap, popped, applied and dropped. The random numbers are the program's own, so every interpreter does the same work.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field

CUSTOMERS = 20_000
STATIONS = 7


class Dice:
    """A linear congruential generator (Knuth's MMIX constants)."""

    def __init__(self, seed: int) -> None:
        self.state = seed

    def below(self, bound: int) -> int:
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self.state >> 33) % bound


@dataclass
class Customer:
    """Somebody on the way through the network."""

    number: int
    arrived: int
    route: list[int]
    waits: list[int] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return not self.route


class Event:
    """Something that happens at a time; the heap orders events by it."""

    def __init__(self, time: int, serial: int) -> None:
        self.time = time
        self.serial = serial

    def __lt__(self, other: Event) -> bool:
        return (self.time, self.serial) < (other.time, other.serial)

    def apply(self, network: Network) -> None:
        raise NotImplementedError


class Arrival(Event):
    """A customer reaches a station."""

    def __init__(self, time: int, serial: int, customer: Customer) -> None:
        super().__init__(time, serial)
        self.customer = customer

    def apply(self, network: Network) -> None:
        station = network.stations[self.customer.route.pop()]
        station.queue.append((self.time, self.customer))
        station.serve(network, self.time)


class Departure(Event):
    """A station is done with a customer."""

    def __init__(self, time: int, serial: int, station: Station, customer: Customer) -> None:
        super().__init__(time, serial)
        self.station = station
        self.customer = customer

    def apply(self, network: Network) -> None:
        self.station.busy = False
        self.station.serve(network, self.time)
        if self.customer.done:
            network.finish(self.customer, self.time)
        else:
            network.schedule(Arrival(self.time + 1, network.serial(), self.customer))


class Station:
    """A server with a queue in front of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.queue: deque[tuple[int, Customer]] = deque()
        self.busy = False

    def serve(self, network: Network, now: int) -> None:
        if self.busy or not self.queue:
            return
        since, customer = self.queue.popleft()
        customer.waits.append(now - since)
        self.busy = True
        network.schedule(Departure(now + 1 + network.dice.below(9), network.serial(), self, customer))


class Network:
    """The stations, the event heap and the totals."""

    def __init__(self, seed: int) -> None:
        self.dice = Dice(seed)
        self.stations = [Station(f"station {number}") for number in range(STATIONS)]
        self.events: list[Event] = []
        self.serials = 0
        self.finished = 0
        self.waited = 0

    def serial(self) -> int:
        self.serials += 1
        return self.serials

    def schedule(self, event: Event) -> None:
        heapq.heappush(self.events, event)

    def finish(self, customer: Customer, now: int) -> None:
        self.finished += 1
        self.waited += sum(customer.waits) + now - customer.arrived

    def run(self, customers: int) -> None:
        for number in range(customers):
            route = [self.dice.below(STATIONS) for _ in range(1 + self.dice.below(4))]
            time = number * 7
            self.schedule(Arrival(time, self.serial(), Customer(number, time, route)))
        while self.events:
            heapq.heappop(self.events).apply(self)


def run(scale: float) -> int:
    """Do the work and return a checksum that depends on every event."""
    network = Network(seed=20)
    network.run(int(CUSTOMERS * scale))
    return network.finished * 1_000_003 + network.waited
