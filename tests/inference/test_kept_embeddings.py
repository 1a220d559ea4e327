"""Programs that read a saved run keep CLIP's embeddings of pictures, too."""

import json

import held_out
import visualize
from clip.embed import Clip
from helpers import predict_with

COMMON = ["--device", "cpu", "--workers", "0"]


def cache_lines(said: str) -> list:
    return [line for line in said.splitlines() if line.startswith("cache ")]


def test_predict_embeds_the_pictures_of_a_new_class_once(place, tmp_path, capsys, monkeypatch):
    pictures = place / "RSSDIVCS" / "Class1"

    def predictions(name, *words):
        output = tmp_path / name
        words = [*words, "--output", output, "--add_class", f"wind farm={pictures}"]
        predict_with(place, *words, place / "RSSDIVCS" / "Class3")
        return (output / "predictions.jsonl").read_text(), cache_lines(capsys.readouterr().out)

    kept = ["--cache_dir", tmp_path / "kept"]
    without, said = predictions("without", "--no-embedding_cache")
    assert said == []
    first, said = predictions("first", *kept)
    assert said == [f"cache   0 of 3 embeddings of images from earlier, in {tmp_path / 'kept'}"]
    monkeypatch.setattr(Clip, "image_vectors", None)
    again, said = predictions("again", *kept)
    assert said == [f"cache   3 of 3 embeddings of images from earlier, in {tmp_path / 'kept'}"]
    assert without == first == again


def test_held_out_says_in_one_line_what_it_used_again(place, tmp_path, capsys, monkeypatch):
    saved = ["--resume", str(place / "run" / "last.safetensors"), "--pictures", "1", *COMMON]

    def numbers(name, *words):
        held_out.main([*saved, "--output", str(tmp_path / name), *map(str, words)])
        found = json.loads((tmp_path / name).read_text())
        return (found["mean"], found["classes"]), cache_lines(capsys.readouterr().out)

    kept = ["--cache_dir", tmp_path / "kept"]
    without, said = numbers("without.json", "--no-embedding_cache")
    assert said == []
    first, said = numbers("first.json", *kept)
    assert [line.split()[1:4] for line in said] == [["0", "of", "2"]]
    monkeypatch.setattr(Clip, "image_vectors", None)
    again, said = numbers("again.json", *kept)
    assert [line.split()[1:4] for line in said] == [["2", "of", "2"]]
    assert without == first == again


def test_visualize_uses_what_predict_has_kept(place, tmp_path, capsys, monkeypatch):
    added = ["--add_class", f"wind farm={place / 'RSSDIVCS' / 'Class1'}", "--cache_dir", tmp_path / "kept"]
    predict_with(place, "--output", tmp_path / "out", *added, place / "RSSDIVCS" / "Class3")
    monkeypatch.setattr(Clip, "image_vectors", None)
    capsys.readouterr()
    words = ["--resume", place / "run" / "last.safetensors", "--per_class", 1, "--draw", 1, *COMMON[:2]]
    visualize.main([str(word) for word in [*words, *added, "--output", tmp_path / "attention"]])
    assert cache_lines(capsys.readouterr().out)[0].startswith("cache   3 of 3 embeddings")
