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
