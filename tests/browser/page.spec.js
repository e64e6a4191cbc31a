// The page as its users have it: by mouse, by keyboard, without script, on a telephone, while a run is going.
import { expect, test } from "@playwright/test";

import { isAccessible } from "./axe.js";
import { demo, out, serve, store, sync } from "./sync.js";

const CELLS = "table.grid tbody td a";
const PAGES = ["", "next", "runs", "reconcile"];

const shot = (page, name) => page.screenshot({ path: `${out}/${name}.png`, fullPage: true });

// Nothing but the regions that are meant to scrolls sideways.
async function fits(page) {
  const [content, screen] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    document.documentElement.clientWidth,
  ]);
  expect(content, page.url()).toBeLessThanOrEqual(screen);
}

async function served(directory, args, env) {
  const server = await serve(directory, args, env);
  return { ...server, at: (path) => new URL(path, server.url).href };
}

test.describe("the demo", () => {
  let directory;
  let server;

  test.beforeAll(async () => {
    directory = demo();
    server = await served(directory);
  });
  test.afterAll(() => server.stop());

  test("its grid has all tables, and each cell says what it is", async ({ page }) => {
    await page.goto(server.url);
    await expect(page).toHaveTitle(/sync/);
    await expect(page.locator("table.grid tbody tr")).toHaveCount(19);
    const cell = page.getByRole("link", { name: /^APP_4_SALES 2025-10: complete/ });
    await expect(cell).toHaveText("■");
    const names = await page.locator(CELLS).evaluateAll((cells) => cells.map((cell) => cell.ariaLabel));
    // Ten tables of two months, and nine reference tables.
    expect(names).toHaveLength(29);
    expect(new Set(names).size).toBe(29);
    await shot(page, "demo-light");
    await page.emulateMedia({ colorScheme: "dark" });
    await shot(page, "demo-dark");
    await page.emulateMedia({ media: "print" });
    await shot(page, "demo-print");
  });

  test("a cell opens to its chunks, and the way back", async ({ page }) => {
    await page.goto(server.url);
    await page.getByRole("link", { name: /^APP_4_SALESITEM 2025-10: complete/ }).click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("APP_4_SALESITEM 2025-10");
    const lines = page.locator("main table tbody tr");
    expect(await lines.count()).toBeGreaterThan(5);
    await expect(lines.first()).toContainText("verified");
    await shot(page, "window");
    await page.getByRole("link", { name: "Grid" }).click();
    await expect(page.locator("table.grid")).toBeVisible();
  });

  test("runs and comparisons are listed", async ({ page }) => {
    await page.goto(server.at("runs"));
    await expect(page.locator("main")).toContainText("441,006");
    await shot(page, "runs");
    await page.goto(server.at("reconcile"));
    await expect(page.locator("main")).toContainText("8");
    await shot(page, "reconcile");
    await page.goto(server.at("next"));
    await shot(page, "next");
  });

  test("it can be used with the keyboard alone", async ({ page }) => {
    await page.goto(server.url);
    await page.keyboard.press("Tab");
    const skip = page.getByRole("link", { name: "Skip to the content" });
    await expect(skip).toBeFocused();
    await expect(skip).toBeInViewport();
    await page.keyboard.press("Enter");
    await expect(page.locator("main")).toBeFocused();
    const isCell = () => page.evaluate((cells) => document.activeElement.matches(cells), CELLS);
    for (let presses = 0; !(await isCell()); presses += 1) {
      expect(presses, "presses of the tabulator to the first cell").toBeLessThan(40);
      await page.keyboard.press("Tab");
    }
    const name = await page.evaluate(() => document.activeElement.ariaLabel);
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    expect(outline).not.toBe("none");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("heading", { level: 1 })).toContainText(name.split(":")[0]);
  });

  test("no page leaves a narrow screen, in light and dark, nor a rule of accessibility", async ({ page }) => {
    await page.goto(server.url);
    const window = await page.locator(CELLS).first().getAttribute("href");
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      for (const width of [360, 1280]) {
        await page.setViewportSize({ width, height: 780 });
        for (const path of [...PAGES, window, "nowhere"]) {
          await page.goto(server.at(path));
          await fits(page);
          await isAccessible(page);
          if (width === 360 && colorScheme === "light") await shot(page, `narrow-${path.split("?")[0] || "grid"}`);
        }
      }
    }
  });

  test("it says when it is no longer live", async ({ page }) => {
    const own = await served(directory);
    await page.goto(own.url);
    await expect(page.getByRole("status")).toBeHidden();
    await own.stop();
    await expect(page.getByRole("status")).toContainText("Not live since");
  });

  test("a token is asked for", async ({ browser, request }) => {
    const token = "a-token-of-enough-bytes";
    const own = demo((text) => `${text}\n[serve]\ntoken = "\${SERVE_TOKEN}"\n`);
    const closed = await served(own, undefined, { SERVE_TOKEN: token });
    const answer = await request.get(closed.url);
    expect(answer.status()).toBe(401);
    expect(await answer.text()).not.toContain("APP_4_SALES");
    const context = await browser.newContext({ httpCredentials: { username: "any", password: token } });
    const page = await context.newPage();
    expect((await page.goto(closed.url)).status()).toBe(200);
    await expect(page.locator("table.grid tbody tr")).toHaveCount(19);
    // The events are asked for with it, too.
    await expect(page.getByRole("status")).toBeHidden();
    await closed.stop();
  });
});

test("a run that is going is seen without a reload", async ({ page }) => {
  test.setTimeout(240_000);
  const directory = demo((text) => text.replace(/^\[target\]/m, "rows_per_second = 12000\n\n[target]"));
  const forgotten = await sync(directory, "forget", "--table", "APP_4_SALESITEM", "--month", "2025-11", "--yes");
  expect(forgotten.code, forgotten.stderr).toBe(0);
  const server = await served(directory);
  await page.goto(server.url);
  const cell = (state) => page.getByRole("link", { name: new RegExp(`^APP_4_SALESITEM 2025-11: ${state}`) });
  await expect(cell("not loaded")).toBeVisible();
  await page.evaluate(() => (globalThis.wasHere = true));
  const run = sync(directory, "run", "--start-date", "2025-10-01", "--end-date", "2025-11-30");
  await expect(cell("loading")).toBeVisible();
  await expect(page.locator("#now")).toContainText("A run is going");
  const rows = () => page.locator("progress#progress").evaluate((bar) => bar.value);
  const before = await rows();
  await expect.poll(rows).toBeGreaterThan(before);
  await shot(page, "going");
  await isAccessible(page);
  await expect(cell("complete")).toBeVisible({ timeout: 180_000 });
  await expect(page.locator("#now")).not.toContainText("A run is going");
  expect((await run).code).toBe(0);
  expect(await page.evaluate(() => globalThis.wasHere)).toBe(true);
  await server.stop();
});

test.describe("windows in each state", () => {
  let server;

  test.beforeAll(async () => {
    server = await served(store("stories"));
  });
  test.afterAll(() => server.stop());

  test("each has a character and a word of its own", async ({ page }) => {
    await page.goto(server.url);
    const legend = page.getByRole("list", { name: /^Legend/ }).getByRole("listitem");
    const texts = await legend.evaluateAll((items) => items.map((item) => item.querySelector("i").textContent));
    expect(new Set(texts).size).toBe(texts.length);
    for (const state of ["complete", "open", "planned", "stale", "failed", "mismatched", "not loaded"]) {
      await expect(page.getByRole("link", { name: new RegExp(`: ${state}`) }).first()).toBeVisible();
    }
    await isAccessible(page);
    await page.emulateMedia({ colorScheme: "dark" });
    await isAccessible(page);
    await shot(page, "states-dark");
  });

  test("what failed is found by the filter, and opens to its error and the command", async ({ page }) => {
    await page.goto(server.url);
    await page.getByRole("link", { name: "Failed", exact: true }).click();
    // One with windows that failed, and one that was refused.
    await expect(page.locator("table.grid tbody tr:visible")).toHaveCount(2);
    await page.getByRole("link", { name: /^SALES 2024-03: failed/ }).click();
    await expect(page.locator("main")).toContainText("error 1105");
    await expect(page.locator("main code").first()).toHaveText(
      "sync run --start-date 2024-03-01 --end-date 2024-03-31 --tables SALES",
    );
    await shot(page, "failed");
    await isAccessible(page);
    // The way back is to what was filtered.
    await page.getByRole("link", { name: "Grid" }).click();
    await expect(page).toHaveURL(/show=failed/);
  });

  test("without script it is a page that reloads, with links and a form", async ({ browser }) => {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(server.url);
    expect(await page.content()).toContain('<meta http-equiv="refresh" content="10">');
    await expect(page.locator("table.grid tbody tr")).not.toHaveCount(0);
    await page.getByLabel("Table", { exact: true }).selectOption("SALES");
    await page.getByRole("button", { name: "Show" }).click();
    await expect(page).toHaveURL(/table=SALES/);
    await expect(page.locator("table.grid tbody tr:visible")).toHaveCount(1);
    await page.getByRole("link", { name: /^SALES 2024-03: failed/ }).click();
    await expect(page.getByRole("heading", { level: 1 })).toContainText("SALES 2024-03");
  });
});

test("20 tables of 120 months and a million chunks are one page", async ({ page }) => {
  const server = await served(store("many"));
  for (const round of [1, 2, 3]) {
    await page.goto(server.url);
    await expect(page.locator("table.grid tbody tr")).toHaveCount(20);
    const timing = await page.evaluate(() => {
      const [entry] = performance.getEntriesByType("navigation");
      const since = (at) => Math.round(at - entry.requestStart);
      return {
        firstByte: since(entry.responseStart),
        wholeAnswer: since(entry.responseEnd),
        drawn: since(entry.domContentLoadedEventEnd),
        bytes: entry.decodedBodySize,
      };
    });
    console.log(`  20 x 120, visit ${round}: ${JSON.stringify(timing)}`);
  }
  await expect(page.locator(CELLS)).toHaveCount(2_400);
  await fits(page);
  await shot(page, "many");
  await server.stop();
});
