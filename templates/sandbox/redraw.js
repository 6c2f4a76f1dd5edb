// Brings what stands on the page up to what was drawn anew, and touches only what differs: focus, scroll and a half-done click survive.
// What has a data-key stays itself wherever it stands; a button never becomes another button under somebody's finger.

export function redraw(place, ...drawn) {
  const fresh = place.cloneNode(false);
  fresh.append(...drawn);
  children(place, fresh);
}

const keyOf = (node) => node?.dataset?.key;
const sameKind = (old, fresh) => old.nodeName === fresh.nodeName && keyOf(old) === keyOf(fresh);

function children(old, fresh) {
  const wanted = new Set([...fresh.childNodes].map(keyOf).filter(Boolean));
  const kept = new Map();
  for (const node of [...old.childNodes].filter(keyOf)) {
    if (wanted.has(keyOf(node)) && !kept.has(keyOf(node))) kept.set(keyOf(node), node); else node.remove();
  }
  let at = old.firstChild;
  for (const node of [...fresh.childNodes]) {
    const found = keyOf(node) ? kept.get(keyOf(node)) : at;
    kept.delete(keyOf(node));
    if (!found || !sameKind(found, node)) { old.insertBefore(node, at); continue; }
    while (at && at !== found && !keyOf(at)) at = dropped(at);
    if (found === at) at = at.nextSibling; else old.insertBefore(found, at);
    bring(found, node);
  }
  while (at) at = dropped(at);
}

function dropped(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function bring(old, fresh) {
  if (old.nodeType !== Node.ELEMENT_NODE) { if (old.data !== fresh.data) old.data = fresh.data; return; }
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) put(old, name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  old.onclick = fresh.onclick;
  children(old, fresh);
}

// The page's policy forbids style attributes; it lets a script set styles.
function put(node, name, value) {
  if (name === "style") node.style.cssText = value; else node.setAttribute(name, value);
}
