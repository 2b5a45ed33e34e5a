import { defineMiddleware } from "astro:middleware";
import { isCopy } from "./pages";

/** Leaves out the English copies of Italian pages: no file is written for an answer without a body. */
export const onRequest = defineMiddleware(({ url }, next) =>
  isCopy(url.pathname) ? new Response(null, { status: 404 }) : next(),
);
