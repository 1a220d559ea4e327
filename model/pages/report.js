"use strict";

/* ---- the tooltips of the charts -------------------------------------------------------------
   At once, and under a finger too. Without this script browsers show the <title>s themselves. */
const tip = document.getElementById("tip");
for (const title of document.querySelectorAll("svg title")) {
  title.parentNode.dataset.tip = title.textContent;
  title.remove();
}
document.addEventListener("pointerover", event => {
  const mark = event.target.closest("[data-tip]");
  tip.hidden = !mark;
  tip.textContent = mark ? mark.dataset.tip : "";
});
document.addEventListener("pointermove", event => {
  if (tip.hidden) return;
  const rightmost = innerWidth - tip.offsetWidth - 8;
  const below = event.clientY + 18;
  const above = event.clientY - tip.offsetHeight - 10;
  const fits = below + tip.offsetHeight <= innerHeight;
  tip.style.left = Math.max(8, Math.min(event.clientX + 14, rightmost)) + "px";
  tip.style.top = (fits ? below : above) + "px";
});

/* ---- what scrolls says so: "wide" if it does sideways, "right" and "below" while there is more ---- */
for (const scroller of document.querySelectorAll(".scroller")) {
  const box = scroller.lastElementChild;
  const look = () => {
    const right = box.scrollWidth - box.clientWidth - box.scrollLeft;
    const below = box.scrollHeight - box.clientHeight - box.scrollTop;
    scroller.classList.toggle("wide", box.scrollWidth > box.clientWidth + 1);
    scroller.classList.toggle("right", right > 1);
    scroller.classList.toggle("below", below > 1);
  };
  box.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(box);
}

/* ---- copying: a table as tab-separated lines, a command as it stands ------------------------ */
async function copy(text) {
  try { await navigator.clipboard.writeText(text); }
  catch {  // a page from a file may not be allowed to
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
function tableText(table) {
  const line = row => [...row.cells].map(cell => cell.textContent.trim()).join("\t");
  return [...table.rows].map(line).join("\n") + "\n";
}
document.addEventListener("click", async event => {
  const button = event.target.closest(".copy");
  if (!button) return;
  const figure = button.closest("figure");
  const table = figure.querySelector("table");
  await copy(table ? tableText(table) : figure.querySelector("pre").textContent);
  button.textContent = "copied";
  setTimeout(() => button.textContent = "copy", 1500);
});

/* ---- the gallery: one class or all, words in the file's name, what was named wrong -----------
   The first pictures, and more on request. Without this script all are shown. */
const gallery = document.getElementById("gallery");
if (gallery) {
  const STEP = 60;
  const chips = [...document.querySelectorAll(".chips button")];
  const words = document.getElementById("words");
  const wrong = document.getElementById("wrong");  // none without labels
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  let most = STEP;
  const show = () => {
    const chosen = chips.find(chip => chip.ariaPressed === "true").value;
    const sought = words.value.trim().toLowerCase();
    const onlyWrong = wrong && wrong.ariaPressed === "true";
    let count = 0;
    for (const card of gallery.children) {
      const ofClass = chosen === "" || card.dataset.class === chosen;
      const fits = ofClass && card.dataset.name.toLowerCase().includes(sought);
      const matches = fits && (!onlyWrong || "wrong" in card.dataset);
      card.hidden = !matches || count >= most;
      count += matches;
    }
    const pictures = count + (count === 1 ? " picture" : " pictures");
    shown.textContent = count > most ? `the first ${most} of ${pictures}` : pictures;
    more.hidden = count <= most;
    more.textContent = `show ${Math.min(STEP, count - most)} more`;
  };
  const choose = () => { most = STEP; show(); };
  for (const chip of chips) chip.addEventListener("click", () => {
    for (const other of chips) other.ariaPressed = String(other === chip);
    choose();
  });
  if (wrong) wrong.addEventListener("click", () => {
    wrong.ariaPressed = String(wrong.ariaPressed !== "true");
    choose();
  });
  words.addEventListener("input", choose);
  more.addEventListener("click", () => { most += STEP; show(); });
  show();
}
