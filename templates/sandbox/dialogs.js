// Confirm dialogs and modals, each in a <dialog> of its own: the browser keeps the focus inside and closes it on Escape.
import { drawBlock, el, text } from "./blocks.js";

const dialog = document.getElementById("dialog"), question = document.getElementById("question");
const left = new Set(); // views that the person closed; the workspace may not know it yet
let open = null;

// Escape and the button are one way out. The workspace hears of it only when the person closed the view: we forget it before we close it.
dialog.addEventListener("close", () => {
  if (dialog.open || !open) return;
  const { view, doors } = open;
  open = null;
  left.add(view.id);
  doors.close(view);
});

export function confirm(asked, known, go) {
  const yes = el("button", { type: "button", class: asked.style === "danger" ? "danger" : "primary", id: "confirm", onclick: () => { question.close(); go(); } }, asked.confirm.text);
  const no = el("button", { type: "button", onclick: () => question.close() }, asked.deny.text);
  question.replaceChildren(el("h3", {}, asked.title.text), el("div", { class: "block" }, text(asked.text, known)), el("div", { class: "foot" }, no, yes));
  question.showModal();
}

export function modals(views, known, doors, errors = {}) {
  const view = views.findLast((each) => !left.has(each.id));
  if (!view) return closeModal();
  if (open?.view.id === view.id && open.view.hash === view.hash && !Object.keys(errors).length) return;
  const kept = open?.view.id === view.id ? values(view) : {}, focused = dialog.contains(document.activeElement) ? document.activeElement.id : "";
  open = { view, doors };
  const form = el("form", { onsubmit: (event) => { event.preventDefault(); doors.submit(view, values(view)); } });
  form.append(el("h3", {}, view.title.text), ...view.blocks.map((block) => field(block, view, known, doors, errors[block.block_id], kept)));
  const close = el("button", { type: "button", onclick: () => dialog.close() }, view.close?.text || "Cancel");
  form.append(el("div", { class: "foot" }, close, view.submit ? el("button", { type: "submit", class: "primary" }, view.submit.text) : null));
  dialog.replaceChildren(form);
  if (!dialog.open) dialog.showModal();
  if (focused) document.getElementById(focused)?.focus();
}

function closeModal() {
  open = null;
  if (dialog.open) dialog.close();
}

export function closeDialogs() {
  closeModal();
  if (question.open) question.close();
}

function field(block, view, known, doors, error, kept) {
  if (block.type !== "input") return drawBlock(block, known, () => {});
  const name = `field-${block.block_id}`;
  const old = Object.values(kept[block.block_id] || {})[0] || {};
  const control = input(block, name, known, old);
  if (block.dispatch_action) control.addEventListener("change", () => doors.picked(view, block, values(view)));
  return el("div", {}, el("label", { class: "name", for: name }, block.label.text, block.optional ? " (optional)" : ""), control,
    block.hint ? el("div", { class: "hint" }, block.hint.text) : null, error ? el("div", { class: "error", role: "alert" }, error) : null);
}

function input(block, name, known, old) {
  const element = block.element;
  const marks = { id: name, "data-block": block.block_id };
  if (element.type === "plain_text_input") {
    const node = element.multiline ? el("textarea", { ...marks, rows: 3 }) : el("input", { ...marks, type: "text", placeholder: element.placeholder?.text });
    node.value = old.value ?? element.initial_value ?? "";
    return node;
  }
  if (element.type === "checkboxes") {
    const ticked = (old.selected_options || element.initial_options || []).map((each) => each.value);
    return el("div", marks, ...element.options.map((option) => el("label", { class: "box" }, el("input", { type: "checkbox", value: option.value, checked: ticked.includes(option.value) }), text(option.text, known))));
  }
  const isPeople = element.type === "users_select";
  const options = isPeople ? known.users.filter((user) => !user.is_bot).map((user) => ({ value: user.id, text: { text: user.name } })) : element.options;
  const chosen = old.selected_option?.value ?? old.selected_user ?? element.initial_option?.value ?? element.initial_user ?? "";
  return el("select", marks, el("option", { value: "" }, element.placeholder?.text || "Choose"), ...options.map((option) => el("option", { value: option.value, selected: option.value === chosen }, option.text.text)));
}

function values(view) {
  const found = {};
  for (const block of view.blocks.filter((each) => each.type === "input")) {
    const node = dialog.querySelector(`[data-block="${block.block_id}"]`);
    if (node) found[block.block_id] = { [block.element.action_id]: value(block.element, node) };
  }
  return found;
}

function value(element, node) {
  if (element.type === "checkboxes") {
    const on = [...node.querySelectorAll("input:checked")].map((box) => box.value);
    return { type: element.type, selected_options: element.options.filter((option) => on.includes(option.value)) };
  }
  if (element.type === "static_select") return { type: element.type, selected_option: element.options.find((option) => option.value === node.value) || null };
  if (element.type === "users_select") return { type: element.type, selected_user: node.value || null };
  return { type: element.type, value: node.value || null };
}
