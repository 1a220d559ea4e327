from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torchvision import transforms

from conftest import GROUPS, cell_array, write_dataset
from data.benchmark import load_benchmark
from data.pipeline import SceneImages, normalize
from data.samplers import EpisodeSampler, ShuffledSampler
from support.errors import InputError


def load(root: Path, random_id=0, **places):
    files = root / "RSSDIVCS" / "files"
    return load_benchmark(
        **{
            **dict(
                images_mat=files / "61_images.mat",
                splits_mat=files / "ann_attr_finetune_61_splits.mat",
                groups_json=files / "attri_group_3.json",
                image_root=root / "RSSDIVCS",
                random_id=random_id,
            ),
            **places,
        }
    )


# ---- the files -------------------------------------------------------------------------------------------------------


def test_the_published_format(root):
    data = load(root)
    assert data.class_names == [f"Class{c}" for c in range(12)]
    assert data.class_attributes.shape == (6, 12) and data.class_attributes.dtype == torch.float32
    assert data.groups == GROUPS
    assert data.image_paths[7] == root / "RSSDIVCS" / "Class1" / "image_7.png"


def test_indices_are_one_based_in_the_file(root):
    data = load(root)
    assert data.labels.tolist() == [c for c in range(12) for _ in range(5)]
    assert data.splits["test_unseen_loc"].tolist() == list(range(15))
    assert data.splits["test_seen_loc"].tolist() == list(range(15, 60, 5))


@pytest.mark.parametrize("random_id", [0, 1])
def test_divisions(root, random_id):
    data = load(root, random_id)
    assert data.unseen.tolist() == [random_id, random_id + 1, random_id + 2]
    assert sorted(data.seen.tolist() + data.unseen.tolist()) == list(range(12))


@pytest.mark.parametrize(
    "files",
    [
        np.array(["/a/RSSDIVCS/Class0/x.png  ", "RSSDIVCS/Class1/longer.png"]),
        cell_array(["/a/RSSDIVCS/Class0/x.png", "RSSDIVCS/Class1/longer.png"]),
    ],
    ids=["char matrix", "cell array"],
)
def test_both_dialects_of_image_files(tmp_path, files):
    write_dataset(
        tmp_path,
        seen=1,
        unseen=1,
        per_class=1,
        image_files=files,
        train_zsl_loc_0=[[2]],
        test_seen_loc_0=[[2]],
        train_gzsl_loc_0=[[2]],
    )
    for path in ("Class0/x.png", "Class1/longer.png"):
        (tmp_path / "RSSDIVCS" / path).touch()
    assert [str(path.relative_to(tmp_path)) for path in load(tmp_path).image_paths] == [
        "RSSDIVCS/Class0/x.png",
        "RSSDIVCS/Class1/longer.png",
    ]


def test_features_are_never_read(tmp_path):
    write_dataset(tmp_path)
    images_mat = tmp_path / "RSSDIVCS" / "files" / "61_images.mat"
    variables = scipy.io.loadmat(images_mat, variable_names=["labels", "image_files"])
    features = np.random.rand(400, 60)
    scipy.io.savemat(
        images_mat,
        {"features": features, "labels": variables["labels"], "image_files": variables["image_files"]},
    )
    content = bytearray(images_mat.read_bytes())
    tag = content.index(features.T.tobytes()[:64]) - 8
    content[tag : tag + 4] = b"\xff" * 4  # no such data type: whoever reads them fails
    images_mat.write_bytes(content)
    with pytest.raises((ValueError, KeyError, TypeError)):
        scipy.io.loadmat(images_mat)
    assert len(load(tmp_path).labels) == 60


def damage(root: Path, file: str, **variables):
    path = root / "RSSDIVCS" / "files" / file
    kept = {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("__")}
    kept.update(variables)
    scipy.io.savemat(path, {key: value for key, value in kept.items() if value is not None})


IMAGES, SPLITS = "61_images.mat", "ann_attr_finetune_61_splits.mat"


@pytest.mark.parametrize(
    "file, variables, message",
    [
        (IMAGES, {"labels": None}, "61_images.mat has no labels; it has image_files"),
        (SPLITS, {"att": None}, "has no att; it has allclasses_names"),
        (SPLITS, {"test_unseen_loc_0": None}, "has no test_unseen_loc_0.*--random_id"),
        (IMAGES, {"labels": np.full((60, 1), 13)}, "labels in .*: 13 is out of range, expected 1 to 12"),
        (IMAGES, {"labels": np.zeros((60, 1))}, "labels in .*: 0.* is out of range"),
        (IMAGES, {"labels": np.full((60, 1), 1.5)}, "expected whole numbers"),
        (IMAGES, {"labels": np.ones((59, 1))}, "59 labels for 60 image_files"),
        (SPLITS, {"train_zsl_loc_0": [[61]]}, "train_zsl_loc_0 in .*: 61 is out of range, expected 1 to 60"),
        (SPLITS, {"train_zsl_loc_0": np.zeros((0, 1))}, "train_zsl_loc_0 is empty"),
        (SPLITS, {"test_unseen_loc_0": np.zeros((0, 1))}, "test_unseen_loc_0 is empty"),
        (SPLITS, {"train_zsl_loc_0": [[1], [20]]}, "train_zsl_loc_0 holds images of Class0"),
        (SPLITS, {"att": np.zeros((6, 11))}, "expected finite numbers, attributes x 12 classes, found .*11"),
        (SPLITS, {"att": np.full((6, 12), np.nan)}, "expected finite numbers"),
        (SPLITS, {"att": np.ones((5, 12))}, "att in .* has 5 attributes, but .*attri_group_3.json groups 6"),
        (SPLITS, {"att": np.ones((7, 12))}, "att in .* has 7 attributes, but .* groups 6"),
        (
            IMAGES,
            {"image_files": np.array(["RSSDIVCS/../../etc/passwd"] * 60)},
            "should hold RSSDIVCS/ and then a path below",
        ),
        (
            IMAGES,
            {"image_files": np.array(["/etc/passwd"] * 60)},
            "should hold RSSDIVCS/ and then a path below",
        ),
        (
            IMAGES,
            {"image_files": np.array(["RSSDIVCS/Class0/gone.png"] * 60)},
            "60 of 60 images are missing, the first is .*gone.png",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, file, variables, message):
    write_dataset(tmp_path)
    damage(tmp_path, file, **variables)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    "content", ["[1, 2]", '{"functions": []}', '{"functions": [-1]}', '{"functions": [0.5]}', "{", "{}"]
)
def test_groups_that_are_none(tmp_path, content):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "files" / "attri_group_3.json").write_text(content)
    with pytest.raises(InputError, match="attri_group_3.json: expected a JSON object"):
        load(tmp_path)


def test_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(
        InputError, match="no such file: .*61_images.mat.*Google Drive.*wenjiaXu/RS_Scene_ZSL"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"not a mat file at all", "not a readable .mat file"),
        (b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM" + b"\x89HDF", "7.3 format; save it with -v7"),
    ],
)
def test_damaged_mat(tmp_path, content, message):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "files" / IMAGES).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


# ---- the images ------------------------------------------------------------------------------------------------------


def test_test_images_go_through_the_published_transform(root):
    data = load(root)
    published = transforms.Compose(
        [
            transforms.Resize(37),
            transforms.CenterCrop(32),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    image, label = SceneImages(data, 32)[20]
    assert image.dtype == torch.uint8 and label == 4
    torch.testing.assert_close(
        normalize(image[None], "imagenet")[0], published(Image.open(data.image_paths[20]))
    )


def test_a_draw_decides_crop_and_flip(root):
    images = SceneImages(load(root), 32)
    torch.testing.assert_close(images[20, 5][0], images[20, 5][0])
    seen = {images[20, draw][0].numpy().tobytes() for draw in range(60)}
    assert len(seen) > 40  # 6 x 13 crops, flipped or not


def test_clip_normalisation_differs():
    grey = torch.full((1, 3, 2, 2), 128, dtype=torch.uint8)
    assert normalize(grey, "clip")[0, :, 0, 0].tolist() == pytest.approx(
        [
            (128 / 255 - m) / d
            for m, d in zip((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
        ],
        rel=1e-5,
    )


@pytest.mark.parametrize("content", [b"", b"no image", None], ids=["empty", "text", "cut off"])
def test_a_corrupt_image_is_named(tmp_path, content):
    data = load(write_dataset(tmp_path))
    path = data.image_paths[0]
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(InputError, match="cannot read the image .*Class0.image_0.png"):
        SceneImages(data, 32)[0]


# ---- the samplers ----------------------------------------------------------------------------------------------------


def episodes(data, seed=0, epoch=0, n=20, ways=4, shots=3):
    sampler = EpisodeSampler(
        data.labels, data.splits["train_zsl_loc"], n, ways, shots, seed, data.class_names
    )
    sampler.set_epoch(epoch)
    assert len(sampler) == n
    return list(sampler)


def test_episodes_hold_ways_classes_of_shots_images_each(root):
    data = load(root)
    seen_images = set(data.splits["train_zsl_loc"].tolist())
    for episode in episodes(data):
        images = [image for image, _ in episode]
        assert len(set(images)) == 12 and set(images) <= seen_images
        assert sorted(np.unique(data.labels[images], return_counts=True)[1].tolist()) == [3, 3, 3, 3]


def test_every_seen_class_gets_its_turn(root):
    data = load(root)
    drawn = {data.labels[image] for episode in episodes(data, n=40) for image, _ in episode}
    assert drawn == set(data.seen.tolist())


def test_an_epoch_depends_on_seed_and_number_only(root):
    data = load(root)
    assert episodes(data, seed=3, epoch=5) == episodes(data, seed=3, epoch=5)
    assert episodes(data, seed=3, epoch=5) != episodes(data, seed=3, epoch=6)
    assert episodes(data, seed=3, epoch=5) != episodes(data, seed=4, epoch=5)


def test_shuffled_batches_hold_every_image_once():
    sampler = ShuffledSampler(np.arange(100, 125), 8, seed=1)
    batches = list(sampler)
    assert [len(batch) for batch in batches] == [8, 8, 8, 1] and len(sampler) == 4
    assert sorted(image for batch in batches for image, _ in batch) == list(range(100, 125))


@pytest.mark.parametrize(
    "ways, shots, message",
    [
        (10, 1, "--ways 10 is larger than the number of seen classes, 9"),
        (2, 6, "--shots 6 is larger than the class Class3, which has 5"),
    ],
)
def test_episodes_that_cannot_be(root, ways, shots, message):
    with pytest.raises(InputError, match=message):
        episodes(load(root), ways=ways, shots=shots)
