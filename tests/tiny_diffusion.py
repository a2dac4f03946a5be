"""A whole Stable Diffusion pipeline that is far too small to draw anything: random weights, seconds to make and run."""

import json
import re
import warnings
from pathlib import Path

import pytest

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def tiny_model(factory: pytest.TempPathFactory) -> Path:
    """Folder of the pipeline as diffusers saves it, made once in a session."""
    folder = factory.getbasetemp() / "tiny-diffusion"
    if not folder.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _make(folder)
    return folder


def _make(folder: Path) -> None:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    words = folder / "words"
    words.mkdir(parents=True)
    vocabulary = ["<|startoftext|>", "<|endoftext|>", *_LETTERS, *(letter + "</w>" for letter in _LETTERS)]
    (words / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (words / "merges.txt").write_text("")
    tokenizer = CLIPTokenizer(
        str(words / "vocab.json"), str(words / "merges.txt"), model_max_length=77, pad_token="<|endoftext|>"
    )
    text = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=32,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        pipeline = StableDiffusionPipeline(
            text_encoder=CLIPTextModel(text),
            tokenizer=tokenizer,
            unet=UNet2DConditionModel(
                block_out_channels=(32, 64),
                layers_per_block=1,
                sample_size=8,
                down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
                up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
                cross_attention_dim=32,
            ),
            vae=AutoencoderKL(
                block_out_channels=(32, 64),
                down_block_types=("DownEncoderBlock2D",) * 2,
                up_block_types=("UpDecoderBlock2D",) * 2,
                latent_channels=4,
            ),
            scheduler=DDIMScheduler(
                beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False
            ),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.save_pretrained(folder)


def save_as_single_file(folder: Path, file: Path) -> None:
    """The same weights in one file, under the names that Stable Diffusion's own code gave them."""
    from safetensors.torch import load_file, save_file

    weights = {}
    unet = load_file(folder / "unet" / "diffusion_pytorch_model.safetensors")
    weights |= {"model.diffusion_model." + _unet_name(name): value for name, value in unet.items()}
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    for name, value in vae.items():
        is_projection = "mid_block.attentions" in name and value.ndim == 2
        weights["first_stage_model." + _vae_name(name)] = value[:, :, None, None] if is_projection else value
    text = load_file(folder / "text_encoder" / "model.safetensors")
    weights |= {"cond_stage_model.transformer.text_model." + name: value for name, value in text.items()}
    save_file(weights, file)


def _rename(name: str, table: dict[str, str]) -> str:
    for pattern, new in table.items():
        name = re.sub(pattern, new, name)
    return name


def _unet_name(name: str) -> str:
    """Of a network of two levels with one layer each."""
    places = {
        r"^time_embedding\.linear_1": "time_embed.0",
        r"^time_embedding\.linear_2": "time_embed.2",
        r"^conv_in": "input_blocks.0.0",
        r"^down_blocks\.0\.resnets\.0": "input_blocks.1.0",
        r"^down_blocks\.0\.downsamplers\.0\.conv": "input_blocks.2.0.op",
        r"^down_blocks\.1\.resnets\.0": "input_blocks.3.0",
        r"^down_blocks\.1\.attentions\.0": "input_blocks.3.1",
        r"^mid_block\.resnets\.0": "middle_block.0",
        r"^mid_block\.attentions\.0": "middle_block.1",
        r"^mid_block\.resnets\.1": "middle_block.2",
        r"^up_blocks\.0\.resnets\.(\d)": r"output_blocks.\1.0",
        r"^up_blocks\.0\.attentions\.(\d)": r"output_blocks.\1.1",
        r"^up_blocks\.0\.upsamplers\.0": "output_blocks.1.2",
        r"^up_blocks\.1\.resnets\.0": "output_blocks.2.0",
        r"^up_blocks\.1\.resnets\.1": "output_blocks.3.0",
        r"^conv_norm_out": "out.0",
        r"^conv_out": "out.2",
    }
    layers = {
        r"\.norm1\.(weight|bias)$": r".in_layers.0.\1",
        r"\.conv1\.": ".in_layers.2.",
        r"\.time_emb_proj\.": ".emb_layers.1.",
        r"\.norm2\.(weight|bias)$": r".out_layers.0.\1",
        r"\.conv2\.": ".out_layers.3.",
        r"\.conv_shortcut\.": ".skip_connection.",
    }
    return _rename(name, places if "transformer_blocks" in name else {**layers, **places})


def _vae_name(name: str) -> str:
    """Of an autoencoder of two levels; the decoder's count from the other end."""
    return _rename(
        name,
        {
            r"^encoder\.down_blocks\.(\d)\.resnets\.": r"encoder.down.\1.block.",
            r"^encoder\.down_blocks\.0\.downsamplers\.0": "encoder.down.0.downsample",
            r"^decoder\.up_blocks\.0\.resnets\.": "decoder.up.1.block.",
            r"^decoder\.up_blocks\.1\.resnets\.": "decoder.up.0.block.",
            r"^decoder\.up_blocks\.0\.upsamplers\.0": "decoder.up.1.upsample",
            r"mid_block\.resnets\.0": "mid.block_1",
            r"mid_block\.resnets\.1": "mid.block_2",
            r"mid_block\.attentions\.0\.group_norm": "mid.attn_1.norm",
            r"mid_block\.attentions\.0\.to_([qkv])": r"mid.attn_1.\1",
            r"mid_block\.attentions\.0\.to_out\.0": "mid.attn_1.proj_out",
            r"conv_norm_out": "norm_out",
            r"conv_shortcut": "nin_shortcut",
        },
    )
