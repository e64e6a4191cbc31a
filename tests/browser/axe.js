// What axe-core finds on a page. The page's policy forbids foreign scripts, so it is evaluated from outside.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

import { expect } from "@playwright/test";

const source = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export async function isAccessible(page) {
  await page.evaluate(`${source}; 0`);
  const found = await page.evaluate((tags) => globalThis.axe.run({ runOnly: tags }), TAGS);
  const told = found.violations.map(({ id, help, nodes }) => ({
    id,
    help,
    at: nodes.slice(0, 3).map((node) => `${node.target}: ${node.failureSummary}`),
  }));
  expect(told, page.url()).toEqual([]);
  // A page of which nothing was looked at has no violation either.
  expect(found.passes.length).toBeGreaterThan(10);
}
