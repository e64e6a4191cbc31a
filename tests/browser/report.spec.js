// The report for an auditor: one file that needs nothing else.
import path from "node:path";
import { pathToFileURL } from "node:url";

import { expect, test } from "@playwright/test";

import { isAccessible } from "./axe.js";
import { demo, out, sync } from "./sync.js";

test("the report of the demo is one readable file", async ({ page }) => {
  const directory = demo();
  const made = await sync(directory, "report", "--output", "report.html");
  expect(made.code, made.stderr).toBe(0);
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const url = pathToFileURL(path.join(directory, "report.html")).href;
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      await page.goto(url);
      const [content, screen] = await page.evaluate(() => [
        document.documentElement.scrollWidth,
        document.documentElement.clientWidth,
      ]);
      expect(content).toBeLessThanOrEqual(screen);
      await isAccessible(page);
      await page.screenshot({ path: `${out}/report-${colorScheme}-${width}.png`, fullPage: true });
    }
  }
  expect(asked.filter((of) => of !== url)).toEqual([]);
  await expect(page.locator("body")).toContainText("APP_4_SALESITEM");
  await expect(page.locator("body")).toContainText("227,418");
});
