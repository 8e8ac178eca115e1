"""Golden pictures: small PNGs of the page, compared pixel by pixel in a browser.

They hold on the browser and the fonts with which they were made alone. RAVEQUANT_NEW_PICTURES=1
makes them anew.
"""

import base64
import json
import os
import struct
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np

FOLDER: Final = Path(__file__).parents[1] / "Dashboard" / "browser" / "golden"
PIN: Final = FOLDER / "made_with.json"
NEW: Final = bool(os.environ.get("RAVEQUANT_NEW_PICTURES"))
_COLOURS: Final = 256
_STEP: Final = 48  # of 255, by which a channel of a pixel may differ
_PIXELS: Final = """async (texts) => {
    const read = async (text) => {
        const image = new Image();
        image.src = `data:image/png;base64,${text}`;
        await image.decode();
        const canvas = new OffscreenCanvas(image.width, image.height);
        const context = canvas.getContext("2d");
        context.drawImage(image, 0, 0);
        return context.getImageData(0, 0, image.width, image.height);
    };
    const [one, other] = [await read(texts[0]), await read(texts[1])];
    if (one.width !== other.width || one.height !== other.height) return 1;
    let different = 0;
    for (let at = 0; at < one.data.length; at += 4) {
        let most = 0;
        for (let part = 0; part < 3; part += 1)
            most = Math.max(most, Math.abs(one.data[at + part] - other.data[at + part]));
        different += most > %d;
    }
    return different / (one.width * one.height);
}"""
_RAW: Final = """async (text) => {
    const image = new Image();
    image.src = `data:image/png;base64,${text}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.width, image.height);
    const context = canvas.getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    let found = "";
    for (let at = 0; at < data.length; at += 32_768)
        found += String.fromCharCode(...data.subarray(at, at + 32_768));
    return [image.width, image.height, btoa(found)];
}"""
_FONTS: Final = """() => {
    const context = document.createElement("canvas").getContext("2d");
    const wide = (family) => {
        context.font = `100px ${family}`;
        return Math.round(context.measureText("0123456789 SHORT gap ▲▼✓⚠").width);
    };
    return ["system-ui", "sans-serif", "ui-monospace", "monospace"].map(wide);
}"""


def made_with(browser: Any, page: Any) -> dict[str, Any]:
    """Return what decides about pixels: the browser, and how wide its fonts are."""
    return {"browser": browser.version, "fonts": page.evaluate(_FONTS)}


def pinned() -> dict[str, Any]:
    """Return what the pictures were made with; nothing before the first was made."""
    found: dict[str, Any] = json.loads(PIN.read_text(encoding="utf-8")) if PIN.exists() else {}
    return found


def pin(made: dict[str, Any]) -> None:
    """Note what the pictures are made with."""
    FOLDER.mkdir(exist_ok=True)
    PIN.write_text(json.dumps(made) + "\n", encoding="utf-8")


def share_of_difference(browser: Any, name: str, png: bytes) -> float:
    """Return the share of pixels in which a picture and the golden one differ visibly."""
    golden = (FOLDER / f"{name}.png").read_bytes()
    texts = [base64.b64encode(picture).decode() for picture in (golden, png)]
    return float(_on_a_blank_page(browser, _PIXELS % _STEP, texts))


def keep(browser: Any, name: str, png: bytes) -> None:
    """Write a picture as a golden one, with few colours."""
    wide, high, text = _on_a_blank_page(browser, _RAW, base64.b64encode(png).decode())
    pixels = np.frombuffer(base64.b64decode(text), np.uint8).reshape(high, wide, 4)[:, :, :3]
    (FOLDER / f"{name}.png").write_bytes(_png(pixels))


def _on_a_blank_page(browser: Any, script: str, given: Any) -> Any:
    """Run a script where no policy of a page holds."""
    page = browser.new_page()
    try:
        return page.evaluate(script, given)
    finally:
        page.close()


def _png(pixels: "np.ndarray[Any, np.dtype[np.uint8]]") -> bytes:
    """Return pixels (rows, columns, 3) as a PNG of at most 256 colours, 16 steps a channel."""
    steps = (pixels >> 4).astype(np.int32)
    codes = steps[:, :, 0] << 8 | steps[:, :, 1] << 4 | steps[:, :, 2]
    found, counts = np.unique(codes, return_counts=True)
    kept = np.sort(found[np.argsort(-counts)][:_COLOURS])
    parts = np.stack([kept >> 8, kept >> 4 & 15, kept & 15], axis=1)
    every = np.stack([found >> 8, found >> 4 & 15, found & 15], axis=1)
    apart = np.abs(every[:, None, :] - parts[None, :, :]).sum(axis=2)
    nearest = np.zeros(1 << 12, np.uint8)
    nearest[found] = apart.argmin(axis=1)
    rows = nearest[codes]
    high, wide = rows.shape
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack("!IIBBBBB", wide, high, 8, 3, 0, 0, 0)
    blocks = [
        (b"IHDR", head),
        (b"PLTE", (parts * 17).astype(np.uint8).tobytes()),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_block(*block) for block in blocks)


def _block(kind: bytes, data: bytes) -> bytes:
    return struct.pack("!I", len(data)) + kind + data + struct.pack("!I", zlib.crc32(kind + data))
