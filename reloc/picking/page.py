"""The page on which points are picked: HTML, style and script in one, with nothing from elsewhere."""

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>reloc: where was this image taken?</title>
<meta name="viewport" content="width=device-width">
<style>
  :root { color-scheme: dark; }
  body { margin: 0 auto; padding: 12px 20px 32px; max-width: 1500px; background: #181a1e; color: #dfe3ea;
         font: 15px/1.45 system-ui, sans-serif; }
  h1 { font-size: 19px; margin: 4px 0 2px; } h2 { font-size: 14px; margin: 10px 0 6px; color: #9aa4b5; font-weight: 600; }
  p { margin: 2px 0 8px; color: #aeb7c6; max-width: 75em; }
  .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 16px; }
  .stage { position: relative; cursor: crosshair; line-height: 0; }
  .stage img { width: 100%; border-radius: 4px; background: #000; }
  .mark { position: absolute; width: 0; height: 0; pointer-events: none; }
  .mark i { position: absolute; left: -8px; top: -8px; width: 13px; height: 13px; border: 2px solid; border-radius: 50%; }
  .mark b { position: absolute; left: 10px; top: -19px; font: 700 14px/1 system-ui, sans-serif; white-space: nowrap;
            text-shadow: 0 0 3px #000, 0 0 3px #000; }
  button { font: inherit; font-size: 13px; color: inherit; background: #2b303a; border: 1px solid #434b5a; border-radius: 4px;
           padding: 3px 9px; margin: 0 4px 4px 0; cursor: pointer; }
  button:hover:enabled { background: #39404d; } button:disabled { opacity: .45; cursor: default; }
  button.main { background: #1d6fb8; border-color: #2b84d3; }
  #views { display: flex; gap: 6px; overflow-x: auto; padding-bottom: 6px; }
  #views img { height: 74px; border-radius: 3px; border: 2px solid transparent; cursor: pointer; }
  #views img:hover, #views img:focus { border-color: #2b84d3; outline: none; }
  #bar { display: flex; flex-wrap: wrap; gap: 4px 18px; align-items: center; margin: 10px 0 2px; }
  #said { flex: 1; min-width: 20em; font-weight: 600; color: #f0d27a; } #said.good { color: #7fd6a1; }
</style></head><body>
<h1>Where was this image taken?</h1>
<p>Choose a view of the map that shows what the image shows. Click on a corner in the image, then on the same corner in the map;
four times or more, far apart and not all on one surface. The pose is refined by itself afterwards.</p>
<h2>Known views of the map</h2><div id="views"></div>
<div id="bar"><span id="said" role="status"></span><span>pairs: <b id="count">0</b></span>
  <span><button id="undo" disabled>undo</button><button id="clear" disabled>clear</button>
  <button id="try" disabled>try the pose</button><button id="accept" class="main" disabled>use this pose</button></span></div>
<div class="pair">
  <div><h2>The image</h2>
    <div class="stage" id="left"><img id="image" src="image.jpg" alt="the image" draggable="false"></div></div>
  <div><h2>The map</h2><div class="stage" id="right"><img id="map" src="map.jpg" alt="the map" draggable="false"></div>
    <div id="motions" style="margin-top:8px"></div></div>
</div>
<script>
"use strict";
const facts = /*FACTS*/;
const colors = ["#ff6b6b", "#ffd43b", "#51cf66", "#4dabf7", "#da77f2", "#ffa94d", "#63e6be", "#f783ac"];
const by = id => document.getElementById(id);
let pixels = [], points = [], errors = [], version = 0, overlaid = false;

async function ask(what, content) {
  const answer = await fetch(what, {method: "POST", body: JSON.stringify(content)});
  const found = await answer.json();
  if (!answer.ok) throw new Error(found.error);
  return found;
}
function say(text, good) { by("said").textContent = text; by("said").className = good ? "good" : ""; }
function placeOf(event, stage, width, height) {
  const box = stage.querySelector("img").getBoundingClientRect();
  // Pixel (0, 0) is the centre of the top-left pixel.
  return [(event.clientX - box.left) / box.width * width - 0.5, (event.clientY - box.top) / box.height * height - 0.5];
}
function mark(stage, number, u, v, width, height, note) {
  const made = document.createElement("div");
  made.className = "mark"; made.style.color = colors[number % colors.length];
  made.style.left = 100 * (u + 0.5) / width + "%"; made.style.top = 100 * (v + 0.5) / height + "%";
  made.append(document.createElement("i"), Object.assign(document.createElement("b"), {textContent: number + 1 + note}));
  stage.append(made);
}
function draw() {
  document.querySelectorAll(".mark").forEach(one => one.remove());
  pixels.forEach(([u, v], k) => mark(by("left"), k, u, v, facts.width, facts.height,
    errors[k] === undefined ? "" : `: ${errors[k].toFixed(1)} px`));
  points.forEach((one, k) => { if (one.version === version) mark(by("right"), k, one.u, one.v, 640, 480, ""); });
  by("count").textContent = points.length;
  by("undo").disabled = by("clear").disabled = !pixels.length;
  by("try").disabled = points.length < 4;
  by("accept").disabled = !errors.length;
}
function changed() {
  errors = [];
  if (overlaid) { by("image").src = "image.jpg"; overlaid = false; }
  draw();
}
function redrawn() { version += 1; by("map").src = "map.jpg?" + version; draw(); }
function next() {
  say(pixels.length > points.length ? "Now click on the same point in the map." :
    points.length < 4 ? `Click on a point in the image (${4 - points.length} more at least).` :
    "Try the pose, or add more pairs.");
}
by("left").onclick = event => {
  const place = placeOf(event, by("left"), facts.width, facts.height);
  if (pixels.length > points.length) pixels[pixels.length - 1] = place; else pixels.push(place);
  changed(); next();
};
by("right").onclick = async event => {
  if (pixels.length === points.length) return say("First click on the point in the image.");
  const [u, v] = placeOf(event, by("right"), 640, 480), seen = version;
  try {
    const {point} = await ask("point", {u, v});
    points.push({point, u, v, version: seen}); changed(); next();
  } catch (error) { say(error.message); }
};
by("undo").onclick = () => { if (pixels.length === points.length) points.pop(); pixels.pop(); changed(); next(); };
by("clear").onclick = () => { pixels = []; points = []; changed(); next(); };
by("try").onclick = async () => {
  try {
    const found = await ask("solve", {pairs: points.map((one, k) => [...pixels[k], ...one.point])});
    errors = found.errors_px; overlaid = true;
    by("image").src = "overlay.jpg?" + Date.now(); draw();
    const worst = Math.max(...errors);
    say(`The points fit to ${worst.toFixed(1)} pixels at worst. The edges of the map are drawn on the image.`,
        worst < facts.width / 50);
  } catch (error) { errors = []; draw(); say(error.message); }
};
by("accept").onclick = async () => {
  try {
    await ask("accept", {});
    document.querySelectorAll("button").forEach(one => one.disabled = true);
    say("Done: reloc goes on from this pose. This page can be closed.", true);
  } catch (error) { say(error.message); }
};
facts.motions.forEach(motion => {
  const made = Object.assign(document.createElement("button"), {textContent: motion});
  made.onclick = () => ask("move", {motion}).then(redrawn, error => say(error.message));
  by("motions").append(made);
});
for (let view = 0; view < facts.views; view++) {
  const made = Object.assign(document.createElement("img"), {src: `view-${view}.jpg`, alt: `view ${view + 1}`, tabIndex: 0});
  made.onclick = () => ask("show", {view}).then(redrawn, error => say(error.message));
  by("views").append(made);
}
draw(); next();
</script></body></html>
"""
