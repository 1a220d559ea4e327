"""What the tests of app.py run beside it: in the server before it starts, and in the browser."""

GUARD = """
import socket, os

def watched(former):
    def call(*words, **more):
        place = words[1] if words and isinstance(words[0], socket.socket) else words[0]
        host = place[0] if isinstance(place, tuple) else place
        if host not in ("127.0.0.1", "localhost", "::1", None, b"127.0.0.1", b"localhost") and not str(
            host
        ).startswith("/"):
            with open(os.environ["CALLS"], "a") as file:
                file.write(f"{former.__name__} {host}\\n")
        return former(*words, **more)
    return call

socket.socket.connect = watched(socket.socket.connect)
socket.socket.connect_ex = watched(socket.socket.connect_ex)
socket.getaddrinfo = watched(socket.getaddrinfo)
"""  # runs before the server, and writes down whom it calls

CONTRAST = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const parts = colour => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map(part => part / 255);
  };
  const light = ([r, g, b]) => {
    const [R, G, B] = [r, g, b].map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * R + 0.7152 * G + 0.0722 * B;
  };
  const behind = element => {
    for (; element; element = element.parentElement) {
      const found = parts(getComputedStyle(element).backgroundColor);
      if (found[3] > 0.99) return found;
    }
    return [1, 1, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    const look = getComputedStyle(element);
    if (!words || !element.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    if (["SCRIPT", "STYLE"].includes(element.tagName)) continue;
    const [one, other] = [light(parts(look.color)), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const size = parseFloat(look.fontSize);
    const isLarge = size >= 24 || (size >= 18.6 && look.fontWeight >= 700);
    if (ratio < (isLarge ? 3 : 4.5)) found.push(`${words.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
NAMELESS = """() => [...document.querySelectorAll("input, textarea, button, select")].filter(part =>
  part.checkVisibility() && !(part.ariaLabel || part.labels?.length || part.innerText.trim() || part.title)
).map(part => part.outerHTML.slice(0, 120))"""
DROP = """([name, content]) => {
  const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  const place = document.querySelector("#picture button");
  for (const kind of ["dragenter", "dragover", "drop"])
    place.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
}"""

LINES_OF_CAPTIONS = """names => names.map((name, place) => {
  const caption = document.querySelectorAll("#examples .caption-label")[place];
  caption.textContent = name;
  const lines = [];
  const range = document.createRange();
  let last = null;
  for (let k = 0; k < name.length; k++) {
    range.setStart(caption.firstChild, k);
    range.setEnd(caption.firstChild, k + 1);
    const top = range.getBoundingClientRect().top;
    if (last === null || Math.abs(top - last) > 3) lines.push("");
    lines[lines.length - 1] += name[k];
    last = top;
  }
  return [caption.scrollWidth, caption.clientWidth, lines];
})"""  # of each: its width, the room that it has, and its lines
