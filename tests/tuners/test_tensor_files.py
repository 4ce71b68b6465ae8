from pathlib import Path

import pytest
import torch
from peft import LoraConfig, PeftConfig
from safetensors.torch import load_file

from sparse_peft.tuners.layout import PEFT_NAME, PEFT_PREFIX
from sparse_peft.tuners.tensor_files import write_peft_folder, write_tensors


def test_tensors_may_be_views_and_need_gradients(tmp_path: Path) -> None:
    whole = torch.arange(6.0).view(2, 3).requires_grad_()
    path = tmp_path / "new" / "some.safetensors"
    write_tensors(path, {"turned": whole.T, "whole": whole})
    found = load_file(path)
    assert torch.equal(found["turned"], whole.T)
    assert torch.equal(found["whole"], whole)


def test_a_folder_is_what_peft_reads_and_nothing_besides(tmp_path: Path) -> None:
    write_peft_folder(tmp_path / "net", LoraConfig(r=3), {"a.lora_A.weight": torch.ones(3, 2)})
    assert PeftConfig.from_pretrained(str(tmp_path / "net")).r == 3
    assert load_file(tmp_path / "net" / PEFT_NAME).keys() == {f"{PEFT_PREFIX}a.lora_A.weight"}
    names = {path.name for path in (tmp_path / "net").iterdir()}
    assert names == {"adapter_config.json", PEFT_NAME}


def test_settings_that_cannot_be_written_leave_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {"a.lora_A.weight": torch.ones(3, 2)}
    write_peft_folder(tmp_path, LoraConfig(r=3), tensors)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def half(_: LoraConfig, folder: str) -> None:
        (Path(folder) / "adapter_config.json").write_text('{"r"')
        raise KeyboardInterrupt

    monkeypatch.setattr(LoraConfig, "save_pretrained", half)
    with pytest.raises(KeyboardInterrupt):
        write_peft_folder(tmp_path, LoraConfig(r=4), tensors)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
