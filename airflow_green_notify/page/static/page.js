// Refreshes the page while somebody looks at it, and takes over whether Airflow is light or dark.

const EVERY = 10_000; // milliseconds
const SOON = 1_000; // while something is being looked at or read
const PATIENCE = 60_000; // after which an answer that does not come is asked for again

// Ours, and what Airflow's UI calls it.
const COLOURS = {
  "--bg": "--chakra-colors-bg",
  "--fg": "--chakra-colors-fg",
  "--quiet": "--chakra-colors-fg-muted",
  "--line": "--chakra-colors-border-emphasized",
  "--raised": "--chakra-colors-bg-muted",
};

const root = document.documentElement;
let timer;

function takeOverTheme(airflow) {
  const isDark = airflow.classList.contains("dark");
  root.classList.toggle("dark", isDark);
  root.classList.toggle("light", !isDark);
  const style = getComputedStyle(airflow);
  for (const [ours, theirs] of Object.entries(COLOURS)) {
    const colour = style.getPropertyValue(theirs).trim();
    if (colour) root.style.setProperty(ours, colour);
    else root.style.removeProperty(ours);
  }
}

function followTheme() {
  let airflow;
  try {
    airflow = window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    airflow = null; // framed by somebody else
  }
  if (!airflow) return;
  takeOverTheme(airflow);
  new MutationObserver(() => takeOverTheme(airflow)).observe(airflow, { attributes: true });
}

function replaceContent(text) {
  const next = new DOMParser().parseFromString(text, "text/html").getElementById("content");
  const now = document.getElementById("content");
  if (!next) throw new Error("no content");
  for (const each of now.querySelectorAll("details")) {
    const same = next.querySelector(`#${CSS.escape(each.id)}`);
    if (same) same.open = each.open;
  }
  now.replaceWith(next);
}

async function refresh() {
  try {
    const answer = await fetch("./", { credentials: "same-origin", signal: AbortSignal.timeout(PATIENCE) });
    if (answer.status === 401 || answer.status === 403) return window.location.reload();
    if (answer.ok) replaceContent(await answer.text());
  } catch {
    // The server doesn't answer; what is shown says as of when it is.
  }
  return plan();
}

function plan() {
  clearTimeout(timer);
  const isComplete = document.getElementById("content")?.dataset.complete === "yes";
  if (document.visibilityState === "visible") timer = setTimeout(refresh, isComplete ? EVERY : SOON);
}

followTheme();
document.addEventListener("visibilitychange", plan);
plan();
