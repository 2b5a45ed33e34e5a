/** Mends what others make of our pages: English copies of Italian pages, and the headings and tables of the reference. */
import { defineMiddleware } from "astro:middleware";
import { labelCells } from "./html";
import { isCopy } from "./pages";

export const onRequest = defineMiddleware(async ({ url }, next) => {
  // No file is written for an answer without a body.
  if (isCopy(url.pathname)) {
    return new Response(null, { status: 404 });
  }
  const response = await next();
  if (!url.pathname.startsWith("/en/docs")) {
    return response;
  }
  let answers = 0;
  const html = labelCells(await response.text())
    // As headings, those of examples would skip a level, and the fragment of an answer's headers would be ambiguous.
    .replaceAll(/<h5( class="sl-openapi-examples-heading[^>]*>[^<]*<)\/h5>/g, "<p$1/p>")
    .replaceAll(/(<h4 id="|href="#)headers"/g, (_, start: string) => {
      answers += start.startsWith("<") ? 1 : 0;
      return `${start}headers-${answers}"`;
    });
  return new Response(html, response);
});
