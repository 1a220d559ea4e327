"""What is saved of a CLIP may be read by whom the umask lets read."""

from transformers import CLIPModel

from clip.saving import save_clip
from support.files import UMASK
from tiny_data import write_clip


def test_weights_follow_the_umask(tmp_path):
    model = CLIPModel.from_pretrained(write_clip(tmp_path / "clip"))
    save_clip(tmp_path / "saved", model, half=False)
    assert (tmp_path / "saved" / "model.safetensors").stat().st_mode & 0o777 == 0o666 & ~UMASK
