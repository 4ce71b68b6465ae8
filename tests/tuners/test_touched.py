import torch

from sparse_peft.tuners.touched import Touched


def test_touched_remembers_the_first_value_of_each_entry():
    weight = torch.arange(6.0).view(2, 3)
    touched = Touched(weight)
    touched.add(torch.tensor([4, 1]))
    weight += 10
    touched.add(torch.tensor([1, 5]))
    weight += 10
    index, originals = touched.resolved()
    assert index.tolist() == [1, 4, 5]
    assert originals.tolist() == [1.0, 4.0, 15.0]
    touched.restore()
    assert weight.flatten().tolist() == [20.0, 1.0, 22.0, 23.0, 4.0, 15.0]
    assert touched.resolved()[0].numel() == 0


def test_entries_that_come_again_and_again_take_no_more_room():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(100, generator=generator)
    touched, count, largest = Touched(weight), 10, 0
    first: dict[int, float] = {}
    for _ in range(300):
        index = torch.randperm(100, generator=generator)[:count]
        first = {i: float(weight[i]) for i in index.tolist()} | first
        touched.add(index)
        weight += 1
        largest = max(largest, sum(part.numel() for part in touched._index))
    assert largest <= 3 * weight.numel() + count
    index, originals = touched.resolved()
    assert index.tolist() == list(range(100))
    assert originals.tolist() == [first[number] for number in range(100)]
