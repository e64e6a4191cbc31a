// The page and the report in Debian's chromium. `.ci/browser` prepares what the tests read from the environment.
import { defineConfig } from "@playwright/test";

import { chromium, out } from "./sync.js";

export default defineConfig({
  testDir: ".",
  testMatch: "*.spec.js",
  // One machine, one demo: a run at a time.
  workers: 1,
  timeout: 90_000,
  expect: { timeout: 20_000 },
  forbidOnly: true,
  outputDir: `${out}/results`,
  reporter: [["list"]],
  use: {
    browserName: "chromium",
    launchOptions: chromium,
    viewport: { width: 1280, height: 900 },
    trace: "retain-on-failure",
  },
});
