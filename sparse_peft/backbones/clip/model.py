"""A CLIP for few-shot tuning: features of pictures and prompts with gradients, and its export."""

import pickle
import warnings
import zipfile
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from sparse_peft.backbones.clip.attention import published_layout, take_apart
from sparse_peft.backbones.clip.lora_file import DAMAGED
from sparse_peft.backbones.clip.names import HUB, ClipSource, is_torchscript
from sparse_peft.backbones.clip.registry import RANDOM
from sparse_peft.backbones.clip.shapes import is_packed
from sparse_peft.backbones.clip.text import can_cut, cut, let_cut
from sparse_peft.backbones.source import Source
from sparse_peft.errors import BackboneError, SpecError

RANDOM_SEED = 0  # of `ARCHITECTURE/random`
SHOWN = 200  # characters of a library's own words in an error
# What an archive of OpenAI's says of itself beside its weights.
NOT_WEIGHTS = ("input_resolution", "context_length", "vocab_size")
ARRAYS = (".npz", ".npy")  # of big_vision
PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")


class Clip:
    """A frozen CLIP in single precision; its components can be tuned."""

    def __init__(self, model: Any, source: ClipSource, device: torch.device) -> None:
        self.id, self.source, self.device = source.id, source, device
        self._model = model.requires_grad_(False).eval().to(device)
        self.scale = float(model.logit_scale.detach().exp())
        size = model.visual.image_size
        sides = {size} if isinstance(size, int) else set(size)
        if len(sides) != 1:
            raise BackboneError(f"{source.title} takes pictures of {size}; only squares are made.")
        [self.side] = sides
        settings = model.visual.preprocess_cfg
        self._mean = torch.tensor(settings["mean"], device=device).view(3, 1, 1)
        self._std = torch.tensor(settings["std"], device=device).view(3, 1, 1)
        self._cuts = can_cut(model.text)
        if self._cuts:
            let_cut(model.text)

    @property
    def components(self) -> dict[str, nn.Module]:
        """The modules whose weights may be tuned, by name."""
        return {"visual": self._model.visual, "text": self._model.text}

    def pictures(self, batch: Float[Tensor, "B 3 s s"]) -> Float[Tensor, "B D"]:
        """Features of pictures in [-1, 1] of the model's side, of unit norm."""
        scaled = ((batch.to(self.device) + 1) / 2 - self._mean) / self._std
        features: Tensor = self._model.encode_image(scaled, normalize=True)
        return features

    def tokens(self, prompts: Sequence[str]) -> Int[Tensor, "K T"]:
        """The prompts' tokens, cut after the last end token where nothing after it is read."""
        tokens: Tensor = self._tokenizer(list(prompts))
        return (cut(self._model.text, tokens) if self._cuts else tokens).to(self.device)

    def texts(self, tokens: Int[Tensor, "K T"]) -> Float[Tensor, "K D"]:
        """Features of prompts, of unit norm."""
        features: Tensor = self._model.encode_text(tokens.to(self.device), normalize=True)
        return features

    @cached_property
    def _tokenizer(self) -> Any:
        import open_clip

        name, settings = _open_clip_name(self.source), {}
        if self.id.startswith(HUB) and self.source.config["text_cfg"].get("hf_tokenizer_name"):
            # Its folder need not hold the tokenizer that it names. The configuration is read anew,
            # and may have become one that has code run.
            name, settings = self.id, {"trust_remote_code": False}
        try:
            return open_clip.get_tokenizer(name, **settings)
        except (OSError, RuntimeError, ValueError) as error:
            raise BackboneError(
                f"the tokenizer of {self.source.title} could not be loaded: {_words(error)} "
                "Fetch it once while there is a network."
            ) from error

    def save_tokenizer(self, folder: Path) -> None:
        """Write the tokenizer's files beside a checkpoint, where open_clip does not bring them."""
        if hasattr(self._tokenizer, "save_pretrained"):
            self._tokenizer.save_pretrained(folder)

    def checkpoint(self) -> dict[str, Tensor]:
        """The weights as an ordinary open_clip checkpoint of this architecture, on the CPU.

        Raises:
            ValueError: an adapter is attached; remove it first, keeping its change.
        """
        state = published_layout(self._model)
        if any(".base_layer." in name for name in state):
            raise ValueError("an adapter is attached: remove it with keep=True first")
        config = self.source.config
        if not (config.get("custom_text") or config["text_cfg"].get("hf_model_name")):
            state = {name.removeprefix("text."): tensor for name, tensor in state.items()}
        return {name: tensor.to("cpu", copy=True).contiguous() for name, tensor in state.items()}

    def config(self) -> dict[str, Any]:
        """What belongs into `open_clip_config.json` beside the checkpoint."""
        settings = self._model.visual.preprocess_cfg
        made = dict(self.source.config)
        if self.source.quick_gelu:
            made["quick_gelu"] = True
        preprocessing = {name: settings[name] for name in PREPROCESSING}
        return {"model_cfg": made, "preprocess_cfg": preprocessing}


def load(source: Source, device: torch.device, targets: str = "qkv") -> Clip:
    """The CLIP in single precision on a device, with its projections as the targets name them.

    Raises:
        BackboneError: a file is missing or damaged, or of another architecture.
    """
    assert isinstance(source, ClipSource)
    if source.weights is not None and not source.tag:
        _check_opens(source.weights, source.title)
    try:
        model = _built(source)
    except (pickle.UnpicklingError, SafetensorError, EOFError) as error:
        raise _damaged(source.weights, source.title) from error
    except SpecError:  # of its configuration: it names the file and the line
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"{source.title} could not be loaded: {_words(error)}") from error
    take_apart(model, packed=is_packed(targets))
    return Clip(model, source, device)


def _check_opens(path: Path, title: str) -> None:
    """Return if a person's own file can be opened.

    First of all: for some architectures the network is asked while the model is built.

    Raises:
        BackboneError: it is damaged, or holds more than tensors.
    """
    if path.suffix in ARRAYS or is_torchscript(path):
        return
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, "pt"):
                return
        # What torch wrote before it made ZIP files of it cannot be mapped.
        torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except (SafetensorError, *DAMAGED) as error:
        raise _damaged(path, title) from error


def _damaged(path: Path | None, title: str) -> BackboneError:
    return BackboneError(
        f"{title} could not be loaded: {path} is damaged, or holds more than tensors. Fetch it "
        "again."
    )


def _built(source: ClipSource) -> Any:
    import open_clip

    name, weights = _open_clip_name(source), source.weights
    archive = weights is not None and is_torchscript(weights)
    settings: dict[str, Any] = {
        "force_custom_text": True,  # so that both towers are modules, whatever the architecture
        "force_quick_gelu": source.quick_gelu,
        "pretrained_text": False,
    }
    if source.published:
        settings["force_preprocess_cfg"] = {n: source.published[n] for n in PREPROCESSING}
    if source.tag == RANDOM:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(RANDOM_SEED)
            return open_clip.create_model(name, **settings)
    if archive:
        model = open_clip.create_model(name, load_weights=False, **settings)
        model.load_state_dict(_from_archive(source))
        return model
    if source.architecture:
        settings["pretrained"] = str(weights)
    return open_clip.create_model(name, require_pretrained=True, **settings)


def _open_clip_name(source: ClipSource) -> str:
    return source.architecture or f"local-dir:{source.folder}"


def _from_archive(source: ClipSource) -> dict[str, Tensor]:
    from open_clip.model import convert_to_custom_text_state_dict

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        # Torch advises against the format, but OpenAI's files are in no other.
        archive = torch.jit.load(  # type: ignore[no-untyped-call]
            str(source.weights), map_location="cpu"
        )
    state = archive.state_dict()
    kept = {name: tensor.float() for name, tensor in state.items() if name not in NOT_WEIGHTS}
    renamed: dict[str, Tensor] = convert_to_custom_text_state_dict(kept)
    return renamed


def _words(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
