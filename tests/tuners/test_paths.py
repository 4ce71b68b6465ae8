from sparse_peft.tuners.paths import component_of, path_of, paths_by_component


def test_a_target_is_a_component_and_a_path_in_it() -> None:
    assert component_of("unet/mid/block.to_q") == "unet"
    assert path_of("unet/mid/block.to_q") == "mid/block.to_q"


def test_paths_come_in_the_order_of_the_targets() -> None:
    found = paths_by_component(["text/b", "unet/z", "text/a"])
    assert found == {"text": ["b", "a"], "unet": ["z"]}
    assert list(found) == ["text", "unet"]
