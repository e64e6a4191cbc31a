// The program, its demo and its page, for the tests and for the pictures.
import { execFile, spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));

// The program under test.
export const program = process.env.SYNC_PROGRAM ?? path.join(here, "../../target/release/sync");

// Where screenshots and traces go.
export const out = process.env.SYNC_BROWSER_OUT ?? path.join(here, "out");

// A container's root has no sandbox.
export const chromium = {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: process.getuid?.() === 0 ? ["--no-sandbox"] : [],
};

// A copy of the demo's directory, after the demo: its databases, its configuration, its state file.
export function demo(changes = (text) => text) {
  if (!process.env.SYNC_DEMO) throw new Error("SYNC_DEMO names no directory of a demo that has ended");
  const directory = mkdtempSync(path.join(tmpdir(), "sync-browser-"));
  cpSync(process.env.SYNC_DEMO, directory, { recursive: true });
  const config = path.join(directory, "sync.toml");
  writeFileSync(config, changes(readFileSync(config, "utf8")));
  return directory;
}

// A directory that `cargo test … browser::stores` has made: `stories` has each state of a window, `many` a million chunks.
export function store(name) {
  if (!process.env.SYNC_STORES) throw new Error("SYNC_STORES names no directory of made stores");
  return path.join(process.env.SYNC_STORES, name);
}

// Runs a command to its end, and gives back its exit code and what it printed.
export function sync(directory, ...args) {
  return new Promise((resolve) => {
    execFile(program, args, { cwd: directory, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      resolve({ code: error ? error.code : 0, stdout, stderr });
    });
  });
}

// Starts `sync serve` or `sync run --serve` at a free port, and waits for its address.
export async function serve(directory, args = ["serve", "--listen", "127.0.0.1:0"], env = {}) {
  const child = spawn(program, args, { cwd: directory, env: { ...process.env, ...env } });
  child.stdout.resume();
  const ended = new Promise((resolve) => child.on("exit", resolve));
  const lines = createInterface({ input: child.stderr });
  const said = [];
  const url = await new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      said.push(line);
      const found = line.match(/http:\/\/\S+\//);
      if (found) resolve(found[0]);
    });
    child.on("exit", (code) => reject(new Error(`it ended with ${code}: ${said.join("\n")}`)));
  });
  const stop = async () => {
    child.kill("SIGTERM");
    return await ended;
  };
  return { url, stop, ended };
}
