"""A host that carries what it likes to whom it likes, and runs one replica's copied seals beside each other."""

import random
from collections.abc import Sequence
from pathlib import Path

from nsl_protocol.cluster.register import Node, entered, path_to
from nsl_protocol.enclave.agreement import (
    Accept,
    Ack,
    Ask,
    AskLease,
    Certificate,
    Conclude,
    GrantLease,
    Lease,
    Leased,
    Propose,
    Record,
    TakeLease,
)
from nsl_protocol.enclave.wrapped import WrappedKey
from tests.enclave.host import Host, founded, shown, unentered
from tests.enclave.replica import Founders, Replica, client

STEPS = 400


class Adversary:
    """Has seen every message, and gives each replica any of them. Only the first replica's seals are brought back."""

    def __init__(self, host: Host, founders: Founders, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.founders, self.directory = founders, directory
        self.copies = [(host.replicas[0], directory / "1")]
        self.others = {2: host.replicas[1], 3: host.replicas[2]}
        self.seals: list[bytes] = []
        self.trees: dict[bytes, dict[bytes, Node]] = {host.certificate.head.root: {}}
        self.certificates = {host.certificate.head.order: host.certificate}
        self.records: list[Record] = []
        self.acks: list[Ack] = []
        self.asked: list[tuple[Replica, Ask]] = []
        self.leases: list[Lease] = []
        self.granted = 0
        self.newest = host.certificate
        self.behind = self.chance.choice([0.0, 0.2, 0.6])

    @property
    def running(self) -> list[Replica]:
        return [*(copy for copy, _ in self.copies), *self.others.values()]

    def step(self) -> None:
        single = [self.ask, self.grant, self.take, self.propose, self.accept, self.conclude]
        moves = self.chance.choice([single, [self.ask_around], [self.carry]])
        if self.seals and self.chance.random() < 0.05:
            moves = [self.copy_first, self.restart]
        last = -2 if self.chance.random() < self.behind else -1
        self.newest = self.certificates[self.chance.choice(sorted(self.certificates)[last:])]
        self.chance.choice(moves)()
        for replica in self.running:
            self.certified(shown(replica).certificate)
        self.seals.append((self.chance.choice(self.copies)[1] / "kme.state").read_bytes())

    def certified(self, certificate: Certificate) -> None:
        """The one thing that must never be: another head of the same number."""
        assert self.certificates.setdefault(certificate.head.order, certificate).head == certificate.head

    def ask_around(self) -> None:
        """A whole round, most of it."""
        self.ask()
        for replica in self.running:
            self.grant([replica], -1)
        self.take(-1)

    def carry(self) -> None:
        """A whole change by two who are kept from the others: a copy and one more, or all."""
        copy, other = self.chance.choice(self.copies)[0], self.chance.choice(list(self.others.values()))
        group = self.chance.choice([[copy, other], [other, copy], self.running])
        self.propose(group[:1])
        for replica in group:
            self.accept([replica], -1)
        self.conclude(group, -1)

    def ask(self) -> None:
        replica = self.chance.choice(self.running)
        answer = replica.call(AskLease(self.newest), client())
        if isinstance(answer, Ask):
            self.asked.append((replica, answer))

    def grant(self, among: Sequence[Replica] = (), last: int = -6) -> None:
        if self.asked:
            _, asked = self.chance.choice(self.asked[last:])
            answer = self.one(among).call(GrantLease(self.newest, asked), client())
            if isinstance(answer, Lease):
                self.leases.append(answer)

    def take(self, last: int = -6) -> None:
        if self.asked:
            replica, asked = self.chance.choice(self.asked[last:])
            leases = [each for each in self.leases if each.nonce == asked.nonce][-7:]
            answer = replica.call(TakeLease(self.newest, asked.nonce, tuple(leases)), client())
            self.granted += isinstance(answer, Leased) and bool(answer.seconds)

    def propose(self, among: Sequence[Replica] = ()) -> None:
        replica, newest = self.one(among), self.newest
        item: WrappedKey = unentered(replica, self.chance.randrange(2**32))
        tree = self.trees[newest.head.root]
        answer = replica.call(Propose(newest, item, path_to(item.index, tree)), client())
        if isinstance(answer, Record) and answer.leaf is not None:
            self.records.append(answer)
            nodes = entered(answer.leaf, path_to(item.index, tree))
            self.trees[answer.head.root] = tree | {node.position: node for node in nodes}

    def accept(self, among: Sequence[Replica] = (), last: int = -4) -> None:
        if self.records:
            record = self.chance.choice(self.records[last:])
            answer = self.one(among).call(Accept(self.newest, record), client())
            if isinstance(answer, Ack):
                self.acks.append(answer)

    def conclude(self, among: Sequence[Replica] = (), last: int = -4) -> None:
        if self.records:
            record = self.chance.choice(self.records[last:])
            acks = [each for each in self.acks if each.head == record.head.digest]
            self.chance.shuffle(acks)
            answer = self.one(among).call(Conclude(self.newest, record, tuple(acks[:7])), client())
            if isinstance(answer, Certificate):
                self.certified(answer)

    def one(self, among: Sequence[Replica]) -> Replica:
        return self.chance.choice(among or self.running)

    def copy_first(self) -> None:
        """Run another copy of its seal, of now or of before, beside it or in its place."""
        folder = self.directory / f"copy{len(self.seals)}"
        folder.mkdir()
        (folder / "kme.state").write_bytes(self.chance.choice(self.seals[-30:]))
        self.copies = [*self.copies[-2:], (Replica(self.founders, folder), folder)]

    def restart(self) -> None:
        """Of the other two, one: from the seal that it has."""
        number = self.chance.choice([2, 3])
        self.others[number] = Replica(self.founders, self.directory / str(number))


def test_no_two_heads_of_one_number_are_ever_certified(tmp_path: Path) -> None:
    """Were a copy counted for the other, seeds 0, 13, 30 and 34 would find two."""
    changes = leases = 0
    for seed in range(36):
        folder = tmp_path / str(seed)
        founders = Founders(folder / "manifest")
        adversary = Adversary(founded(founders, folder), founders, folder, seed)
        for _ in range(STEPS):
            adversary.step()
        changes += len(adversary.certificates)
        leases += adversary.granted
    assert changes > 200, "changes were made all the same"
    assert leases > 1000
