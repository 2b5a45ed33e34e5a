import tseslint from "typescript-eslint";

/** Keeps what lies in a folder from importing what these patterns name (docs/architecture.md). Tests may. */
const keepFrom = (folder, message, group) => ({
  files: [`${folder}/**/*.ts`],
  ignores: ["**/*.test.ts"],
  rules: { "no-restricted-imports": ["error", { patterns: [{ group, message, caseSensitive: true }] }] },
});

/** Only a function's folder begins with a capital letter. */
const functionFolders = "[A-Z]*";

export default tseslint.config(
  { ignores: ["dist/", "build/", "node_modules/", "site/.astro/"] },
  {
    files: ["**/*.{ts,tsx}"],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    linterOptions: { reportUnusedDisableDirectives: "error", noInlineConfig: true },
    rules: {
      "@typescript-eslint/consistent-type-assertions": ["error", { assertionStyle: "never" }],
      "@typescript-eslint/consistent-type-definitions": ["error", "interface"],
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "inline-type-imports" }],
      "no-duplicate-imports": "error",
      "@typescript-eslint/explicit-module-boundary-types": "error",
      "@typescript-eslint/no-non-null-assertion": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "@typescript-eslint/switch-exhaustiveness-check": [
        "error",
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  keepFrom("shared/domain", "The domain imports nothing else of ours, and no SDK.", ["../**", "@azure/**"]),
  keepFrom("shared/cosmos", "The store knows the domain, and no HTTP.", [
    "../http/**",
    "../../**",
    "@azure/functions",
  ]),
  keepFrom("shared/http", "HTTP knows the domain, and no store.", [
    "../cosmos/**",
    "../../**",
    "@azure/cosmos",
  ]),
  keepFrom(functionFolders, "A function knows the domain and HTTP, and no store, SDK or other function.", [
    "../shared/cosmos/**",
    "@azure/**",
    `../${functionFolders}/**`,
  ]),
);
