// Makes the pictures of the documentation from the demo, so that they are true: the page in light and dark while a run is
// going, a window, and a terminal with bars and with the status. `npm run pictures` writes docs/pictures.
import { execFile, spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { chromium as browserOf } from "@playwright/test";

import { chromium, demo, program, serve, sync } from "./sync.js";

const pictures = fileURLToPath(new URL("../../docs/pictures/", import.meta.url));
const require = createRequire(import.meta.url);
const COLUMNS = 92;
const RUN = ["run", "--start-date", "2025-10-01", "--end-date", "2025-11-30"];

// What a terminal of this size has been sent by a command, until it ends or has shown enough.
function terminal(directory, rows, args, isEnough = () => false) {
  return new Promise((resolve) => {
    const line = `stty cols ${COLUMNS} rows ${rows}; exec "$0" "$@"`;
    const quoted = [line, program, ...args].map((part) => `'${part}'`).join(" ");
    const child = spawn("script", ["-qfec", `sh -c ${quoted}`, "/dev/null"], { cwd: directory, detached: true });
    let sent = "";
    child.stdout.on("data", (bytes) => {
      sent += bytes;
      if (isEnough(sent)) resolve({ sent, stop: () => process.kill(-child.pid, "SIGTERM"), ended });
    });
    const ended = new Promise((over) => child.on("exit", over));
    child.on("exit", () => resolve({ sent, stop: () => {}, ended }));
  });
}

// Draws what a terminal was sent, as xterm.js does.
async function draw(browser, name, rows, command, sent) {
  const page = await browser.newPage({ viewport: { width: 1000, height: 800 } });
  await page.setContent("<body style='margin:0;background:#16181d'><div id='t' style='padding:12px;display:inline-block'></div>");
  await page.addStyleTag({ content: readFileSync(require.resolve("@xterm/xterm/css/xterm.css"), "utf8") });
  await page.addScriptTag({ path: require.resolve("@xterm/xterm/lib/xterm.js") });
  await page.evaluate(
    ([columns, lines, text]) =>
      new Promise((done) => {
        const terminal = new globalThis.Terminal({
          cols: columns,
          rows: lines,
          fontFamily: "DejaVu Sans Mono",
          fontSize: 14,
          lineHeight: 1.2,
          cursorInactiveStyle: "none",
          theme: { background: "#16181d" },
        });
        terminal.open(document.getElementById("t"));
        terminal.write(text, () => requestAnimationFrame(() => requestAnimationFrame(done)));
      }),
    [COLUMNS, rows, `$ sync ${command.join(" ")}\r\n${sent}`],
  );
  await page.locator("#t").screenshot({ path: path.join(pictures, `${name}.png`) });
  await page.close();
}

async function main() {
  mkdirSync(pictures, { recursive: true });
  await promisify(execFile)("fc-match", ["DejaVu Sans Mono"]);
  const directory = demo((text) => text.replace(/^\[target\]/m, "rows_per_second = 4000\n\n[target]"));
  for (const table of ["APP_4_SALESITEM", "APP_4_PAYMENT"]) {
    const forgotten = await sync(directory, "forget", "--table", table, "--month", "2025-11", "--yes");
    if (forgotten.code !== 0) throw new Error(forgotten.stderr);
  }
  const browser = await browserOf.launch(chromium);
  const server = await serve(directory);
  const page = await browser.newPage({ viewport: { width: 1100, height: 900 } });
  await page.goto(server.url);
  const rows = 14;
  const isEnough = (sent) => /APP_4_SALESITEM.*[6-9]\d %/.test(sent);
  const going = await terminal(directory, rows, RUN, isEnough);
  await draw(browser, "terminal-run", rows, RUN, going.sent);
  await page.getByText("A run is going").waitFor();
  await page.waitForTimeout(1_500);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: path.join(pictures, `page-${colorScheme}.png`) });
  }
  await page.emulateMedia({ colorScheme: "light" });
  const status = await terminal(directory, 40, ["status"]);
  await draw(browser, "terminal-status", 34, ["status"], status.sent);
  await page.getByRole("link", { name: /^APP_4_SALESITEM 2025-10: complete/ }).click();
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.screenshot({ path: path.join(pictures, "window.png") });
  going.stop();
  await going.ended;
  await server.stop();
  await browser.close();
}

await main();
