/**
 * The code as the customer meant it. What people paste also has spaces, hyphens and invisible characters, small or
 * full-width letters. Only ASCII letters become capitals: elsewhere languages differ, as Turkish does for `ı`.
 */
export const normalizeCode = (pasted: string): string =>
  pasted
    .replaceAll(/[\uFF10-\uFF19\uFF21-\uFF3A\uFF41-\uFF5A]/g, (wide) =>
      String.fromCharCode(wide.charCodeAt(0) - 0xfee0),
    )
    .replaceAll(/[a-z]/g, (small) => small.toUpperCase())
    .replaceAll(/[^A-Z0-9]/g, "");
