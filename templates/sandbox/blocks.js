// Draws Block Kit and mrkdwn with DOM calls only: nothing that somebody wrote is ever read as HTML.

export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) node[key] = value;
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}

const unescape = (text) => text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");
const TOKENS = /(<[^<>]+>|```[\s\S]+?```|`[^`\n]+`|(?<!\w)\*[^*\n]+\*(?!\w)|(?<!\w)_[^_\n]+_(?!\w)|(?<!\w)~[^~\n]+~(?!\w))/;

export function mrkdwn(text, known) {
  const out = document.createDocumentFragment();
  for (const part of text.split(TOKENS)) if (part) out.append(token(part, known));
  return out;
}

function token(part, known) {
  if (part.startsWith("<") && part.endsWith(">")) return marked(part.slice(1, -1), known);
  if (part.startsWith("```")) return el("code", {}, unescape(part.slice(3, -3)));
  if (part.length > 2 && part[0] === "`") return el("code", {}, unescape(part.slice(1, -1)));
  const kind = { "*": "strong", _: "em", "~": "s" }[part[0]];
  if (kind && part.length > 2 && part.at(-1) === part[0]) return el(kind, {}, mrkdwn(part.slice(1, -1), known));
  return document.createTextNode(unescape(part));
}

// A message's own address: the page goes there by itself.
const showMessage = (channel, ts) => document.dispatchEvent(new CustomEvent("show-message", { detail: { channel, ts } }));

function marked(inside, known) {
  if (inside[0] === "@" || inside[0] === "#") return named(inside, inside[0] === "@" ? known.users : known.channels);
  if (inside.startsWith("!date^")) return date(inside);
  if (inside.startsWith("!")) return document.createTextNode(`@${inside.slice(1).split("|")[0]}`);
  const [address, label] = inside.split("|");
  const here = address.match(/^http:\/\/127\.0\.0\.1:\d+\/archives\/(\w+)\/p(\d+)(\d{6})$/);
  if (here) return el("a", { href: "#", onclick: (event) => { event.preventDefault(); showMessage(here[1], `${here[2]}.${here[3]}`); } }, unescape(label || address));
  if (/^https?:\/\//.test(address)) return el("a", { href: unescape(address), rel: "noopener noreferrer", target: "_blank" }, unescape(label || address));
  return document.createTextNode(unescape(label || address));
}

function named(inside, all) {
  const [id, label] = inside.slice(1).split("|");
  return el("span", { class: "mention" }, `${inside[0]}${all.find((each) => each.id === id)?.name || unescape(label || id)}`);
}

function date(inside) {
  const [, stamp, format] = inside.split("|")[0].split("^");
  const at = new Date(Number(stamp) * 1000);
  const midnight = (moment) => new Date(moment).setHours(0, 0, 0, 0);
  const near = { "-1": "yesterday", 0: "today", 1: "tomorrow" }[Math.round((midnight(at) - midnight(Date.now())) / 86400000)];
  const day = near ?? at.toLocaleDateString([], { month: "short", day: "numeric" });
  const text = format
    .replace("{time_secs}", at.toLocaleTimeString())
    .replace("{time}", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }))
    .replace(/\{date[a-z_]*\}/g, day);
  return el("time", { datetime: at.toISOString(), title: at.toLocaleString() }, text);
}

export const text = (value, known) => (value.type === "mrkdwn" ? mrkdwn(value.text, known) : document.createTextNode(value.text));

export function drawBlock(block, known, press) {
  if (block.type === "divider") return el("hr");
  if (block.type === "header") return el("div", { class: "block header" }, block.text.text);
  if (block.type === "context") return el("div", { class: "block context" }, ...block.elements.map((each) => (each.type === "image" ? image(each) : text(each, known))));
  if (block.type === "image") return image(block);
  if (block.type === "actions") return el("div", { class: "actions", "data-key": block.block_id }, ...block.elements.map((each) => button(each, block, press)));
  if (block.type === "section") return section(block, known, press);
  return el("div", { class: "block" }, `[${block.type}]`);
}

function section(block, known, press) {
  const node = el("div", { class: "block", "data-key": block.block_id });
  if (block.text) node.append(text(block.text, known));
  if (block.fields) node.append(el("div", { class: "fields" }, ...block.fields.map((field) => el("div", {}, text(field, known)))));
  if (block.accessory?.type === "button") node.append(el("div", { class: "actions" }, button(block.accessory, block, press)));
  return node;
}

const image = (block) => el("img", { class: "file", src: block.image_url || "", alt: block.alt_text || "" });

function button(element, block, press) {
  return el("button", { type: "button", class: element.style || "", "data-action": element.action_id, "data-key": `${element.action_id} ${element.value || ""}`, onclick: () => press(block, element) }, element.text.text);
}
