// The page: asks the workspace what a person sees, draws it, and hands what they do back. Every change asks anew, so nothing drifts.
import { drawBlock, el, mrkdwn } from "./blocks.js";
import { closeDialogs, confirm, modals } from "./dialogs.js";
import { redraw } from "./redraw.js";

const find = (id) => document.getElementById(id);
const guide = JSON.parse(find("guide-data").textContent);
const remembered = new URLSearchParams(location.search);
let me = remembered.get("as") || "", state = null, channel = "", thread = remembered.get("thread") || "", showsHome = false, choice = 0;
const hidden = new Set();

async function call(door, body) {
  const response = await fetch(`/sandbox/${door}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ user: me, ...body }) });
  if (!response.ok) toast(await response.text());
}

function toast(text) {
  find("toast").textContent = text;
  find("toast").hidden = false;
  setTimeout(() => { find("toast").hidden = true; }, 5000);
}

let asking = null, asked = 0, wrong; // wrong: what the bot said of the fields, until it is drawn
function refresh(errors) {
  wrong = errors ?? wrong;
  asking ??= setTimeout(async () => {
    asking = null;
    const turn = ++asked;
    const seen = await (await fetch(`/sandbox/state?user=${me}`)).json();
    if (turn !== asked) return; // a later question overtook this one, perhaps in somebody else's name
    state = seen;
    draw(wrong);
    wrong = undefined;
  }, 40);
}

let drawnFor = "";
function draw(errors) {
  const people = state.users.filter((user) => !user.is_bot);
  if (!people.some((user) => user.id === me)) { me = people[0].id; connect(); return; }
  channel = state.channels.some((each) => each.id === channel) ? channel : state.channels[0].id;
  find("team").textContent = state.team.name;
  redraw(find("channels"), ...state.channels.map((each) => el("li", { "data-key": each.id }, el("button", { type: "button", "aria-current": String(!showsHome && each.id === channel), onclick: () => { channel = each.id; thread = ""; showsHome = false; draw(); } }, each.is_im ? each.name : `# ${each.name}`))));
  find("home").setAttribute("aria-current", String(showsHome));
  redraw(find("people"), el("span", { class: "as" }, "Act as"), ...people.map(person));
  if (drawnFor !== me) { drawnFor = me; find("people").querySelector("[aria-checked=true]").scrollIntoView({ block: "nearest", inline: "nearest" }); }
  const current = state.channels.find((each) => each.id === channel);
  find("channel-name").textContent = showsHome ? "Go/No-Go" : current.is_im ? current.name : `# ${current.name}`;
  keepingFocus(() => { drawPlace(); drawThread(); });
  follow(); // the thread has made the channel narrower, or wider again
  modals(state.views, state, doors, errors);
}

const face = (user) => el("span", { class: "face", "aria-hidden": "true" }, (user?.name || "Slackbot").slice(0, 2));
function coloured(user) { const node = face(user); node.style.backgroundColor = user?.is_bot ? "#1d3a2f" : user?.color || "#777"; return node; }

function person(user) {
  const names = el("span", {}, el("b", {}, user.name), el("small", {}, user.title));
  return el("button", { type: "button", class: "person", role: "radio", "aria-checked": String(user.id === me), "data-user": user.id, "data-key": user.id, onclick: () => actAs(user.id) }, coloured(user), names);
}

function actAs(wanted) {
  me = state.users.find((user) => user.id === wanted || user.name === wanted)?.id || me;
  asked += 1;
  closeDialogs();
  connect();
  if (showsHome) call("home", {}); // everybody has a home of their own
}

let place = "", follows = true; // whether the reader is at the newest message, and stays there
function drawPlace() {
  const log = find("messages"), now = showsHome ? "home" : channel;
  redraw(log, ...(showsHome ? homeBlocks() : messages()));
  if (place !== now) { place = now; follows = !showsHome; log.scrollTop = 0; }
  follow();
}
function follow() { if (follows) find("messages").scrollTop = find("messages").scrollHeight; }
find("messages").addEventListener("scroll", ({ currentTarget: log }) => { follows = !showsHome && log.scrollHeight - log.scrollTop - log.clientHeight < 80; });
find("messages").addEventListener("load", follow, true); // a picture has its height only now

function keepingFocus(change) {
  const focused = document.activeElement, around = focused?.closest("article");
  change();
  if (around && !focused.isConnected) (around.isConnected ? around : find("messages")).focus({ preventScroll: true });
}

function messages() {
  const posts = state.messages[channel].filter((each) => !hidden.has(each.ts) && (!each.thread_ts || each.thread_ts === each.ts || each.is_ephemeral));
  return posts.length ? posts.map((each) => message(each)) : [el("p", { class: "empty" }, "Nothing here yet. Type /deploy, or follow the guide.")];
}

document.addEventListener("show-message", ({ detail }) => {
  channel = detail.channel;
  showsHome = false;
  draw();
  follows = false;
  document.querySelector(`#messages [data-ts="${detail.ts}"]`)?.scrollIntoView({ block: "center" });
});

function homeBlocks() {
  return state.home ? state.home.blocks.map((block) => drawBlock(block, state, () => {})) : [el("p", { class: "empty" }, "Opening…")];
}

function drawThread() {
  const panel = find("thread"), posts = state.messages[channel] || [];
  const parent = posts.find((each) => each.ts === thread);
  panel.hidden = !parent || showsHome;
  if (!parent) return;
  const replies = posts.filter((each) => each.thread_ts === thread && each.ts !== thread && !each.is_ephemeral);
  redraw(panel, el("div", { class: "top" }, el("b", {}, "Thread"), el("button", { class: "plain", type: "button", onclick: () => { thread = ""; draw(); } }, "Close")), message(parent, true), el("hr"), ...replies.map((each) => message(each, true)));
}

function message(post, inThread = false) {
  const user = state.users.find((each) => each.id === post.user);
  const at = new Date(Number(post.ts) * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const head = el("div", {}, el("span", { class: "who" }, user ? user.name : "Slackbot"), user?.is_bot ? el("span", { class: "app" }, "APP") : null, el("span", { class: "meta" }, at, post.edited ? " · edited" : ""));
  const body = el("div", {}, post.is_ephemeral ? alone(post) : null, head);
  const hasBlocks = post.blocks?.length;
  const content = el("div", { class: hasBlocks && user?.is_bot && !post.is_ephemeral ? "card" : "" });
  content.append(...(hasBlocks ? post.blocks.map((block) => drawBlock(block, state, (where, what) => press(post, where, what))) : [el("div", { class: "block" }, mrkdwn(post.text || "", state))]));
  body.append(content, ...(post.files || []).map((file) => el("img", { class: "file", src: `/sandbox/files/${file.id}`, alt: file.alt_txt || file.title || "" })));
  if (post.reply_count && !inThread) body.append(el("button", { class: "replies", type: "button", onclick: () => { thread = post.ts; draw(); } }, `${post.reply_count} ${post.reply_count === 1 ? "reply" : "replies"}`));
  return el("article", { class: post.is_ephemeral ? "message ephemeral" : "message", "data-ts": post.ts, "data-key": post.ts, tabindex: -1 }, coloured(user), body);
}

function alone(post) {
  return el("div", { class: "alone" }, "Only visible to you · ", el("button", { class: "replies", type: "button", onclick: () => { hidden.add(post.ts); draw(); } }, "Dismiss"));
}

function press(post, block, element) {
  const go = () => call("action", { channel, message_ts: post.ts, block_id: block.block_id, action_id: element.action_id, value: element.value });
  if (element.confirm) confirm(element.confirm, state, go); else go();
}

const doors = {
  submit: (view, values) => call("submit", { view_id: view.id, values }),
  close: (view) => call("close", { view_id: view.id }),
  picked: (view, block, values) => call("action", { view_id: view.id, block_id: block.block_id, action_id: block.element.action_id, values, selected: Object.values(values[block.block_id])[0] }),
};

let socket = null;
function connect() {
  socket?.close();
  const mine = new WebSocket(`ws://${location.host}/sandbox/live?user=${me}`);
  socket = mine;
  mine.onopen = () => { find("connection").textContent = ""; refresh(); };
  mine.onmessage = (event) => {
    const told = JSON.parse(event.data);
    if (told.type === "notice") toast(told.text);
    refresh(told.type === "view_errors" ? told.errors : undefined);
  };
  mine.onclose = () => { if (socket === mine) { find("connection").textContent = "Connecting…"; setTimeout(connect, 1000); } };
}

// The composer ---------------------------------------------------------------------------------------------------------------------------

const box = find("text"), list = find("completions");
function offers() {
  const typed = box.value;
  if (!state || !typed.startsWith("/") || typed.includes(" ")) return [];
  return state.commands.filter((each) => each.command.startsWith(typed));
}
function complete() {
  const found = offers();
  list.hidden = !found.length;
  choice = Math.min(choice, Math.max(0, found.length - 1));
  list.replaceChildren(...found.map((each, index) => el("li", { role: "option", "aria-selected": String(index === choice), onclick: () => take(each) }, el("b", {}, each.command), el("small", {}, `${each.usage_hint} · ${each.description}`))));
}
function take(command) { box.value = `${command.command} `; box.focus(); complete(); }
const moves = { ArrowDown: 1, ArrowUp: -1 };
box.addEventListener("input", () => { choice = 0; complete(); });
box.addEventListener("keydown", (event) => {
  const found = list.hidden ? [] : offers(), whole = found[choice]?.command === box.value;
  const takes = found.length && !event.shiftKey && (event.key === "Tab" || (event.key === "Enter" && !whole));
  if (takes) { event.preventDefault(); take(found[choice]); }
  else if (found.length && moves[event.key]) { event.preventDefault(); choice = (choice + moves[event.key] + found.length) % found.length; complete(); }
  else if (event.key === "Escape") list.hidden = true;
  else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); find("composer").requestSubmit(); }
});
find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const isCommand = box.value.startsWith("/"), typed = box.value.trim(); // a space before the slash makes it a message, as in Slack
  if (!typed) return;
  box.value = "";
  complete();
  showsHome = false;
  follows = true; // whoever says something wants to see the answer
  refresh();
  const mentioned = typed.replace(/@([a-z]+)/g, (whole, name) => { const user = state.users.find((each) => each.name === name); return user ? `<@${user.id}>` : whole; });
  const [command, ...rest] = mentioned.split(" ");
  if (isCommand) call("command", { channel, command, text: rest.join(" ") }); else call("message", { channel, text: mentioned });
});

// The guide ------------------------------------------------------------------------------------------------------------------------------

function showGuide(open) {
  const panel = find("guide");
  panel.hidden = !open;
  const steps = (guide.steps || []).map((step) => el("li", {}, el("b", {}, step.title), " ", step.text || "", " ", step.command ? el("code", {}, step.command) : null, " ", step.command || step.act_as ? el("button", { class: "plain", type: "button", onclick: () => begin(step) }, "Do it") : null));
  panel.replaceChildren(el("div", { class: "top" }, el("h3", {}, guide.title || "Guide"), el("button", { class: "plain", type: "button", onclick: () => showGuide(false) }, "Hide")), el("p", {}, guide.intro || ""), el("ol", {}, ...steps));
}
function begin(step) {
  showsHome = false;
  if (step.act_as) actAs(step.act_as); else refresh();
  if (step.command) box.value = step.command;
  box.focus();
}
find("guide-open").addEventListener("click", () => showGuide(find("guide").hidden));
find("home").addEventListener("click", async () => { showsHome = true; draw(); await call("home", {}); });
showGuide(!remembered.has("quiet"));
connect();
