// Keeps the conversation fresh without a reload: asks for the thread, swaps it when it differs, keeps what is typed.
(() => {
  "use strict";
  const chat = document.getElementById("chat");
  const live = document.getElementById("chat-live");
  if (!chat || !live) return;
  const every = 3000;
  let version = "";
  let failures = 0;

  // What stands above the chat, messages to staff too, is not always as high.
  chat.style.setProperty("--wf-top", `${Math.round(chat.getBoundingClientRect().top + window.scrollY)}px`);

  const thread = () => chat.querySelector(".wf-thread");
  const field = () => chat.querySelector("textarea");
  const toEnd = () => {
    const box = thread();
    if (box) box.scrollTop = box.scrollHeight;
  };

  function swap(html) {
    const box = thread();
    const atEnd = !box || box.scrollHeight - box.scrollTop - box.clientHeight < 80;
    const top = box ? box.scrollTop : 0;
    const old = field();
    const typed = old ? old.value : "";
    const typing = old && document.activeElement === old;
    const caret = old ? [old.selectionStart, old.selectionEnd] : [0, 0];
    const open = [...chat.querySelectorAll("details[open]")].map((d) => d.closest("article").id);
    chat.innerHTML = html;
    open.forEach((id) => document.getElementById(id)?.querySelector("details")?.setAttribute("open", ""));
    const now = field();
    if (now) {
      now.value = typed;
      if (typing) {
        now.focus();
        now.setSelectionRange(...caret);
      }
    }
    if (atEnd) toEnd();
    else if (thread()) thread().scrollTop = top;
  }

  async function refresh() {
    if (document.hidden) return;
    const query = new URLSearchParams(location.search);
    query.set("version", version);
    try {
      const answer = await fetch(`${chat.dataset.threadUrl}?${query}`, { redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const data = await answer.json();
      if (data.html !== undefined) {
        if (version) swap(data.html);
        version = data.version;
        if (document.hasFocus()) markRead();
      }
      failures = 0;
      live.textContent = live.dataset.live;
      live.dataset.state = "live";
    } catch {
      failures += 1;
      live.textContent = live.dataset.lost;
      live.dataset.state = "lost";
    }
  }

  function markRead() {
    fetch(chat.dataset.readUrl, { method: "POST", headers: { "X-CSRFToken": chat.dataset.csrf } }).catch(() => {});
  }

  chat.addEventListener("keydown", (event) => {
    if (event.target.matches("textarea") && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.target.form.requestSubmit();
    }
  });
  chat.addEventListener("submit", (event) => {
    const button = event.target.querySelector("button");
    if (button && !event.defaultPrevented) button.disabled = true;
  });

  async function loop() {
    await refresh();
    setTimeout(loop, Math.min(every * 2 ** failures, 30000));
  }
  toEnd();
  loop();
  document.addEventListener("visibilitychange", refresh);
})();
