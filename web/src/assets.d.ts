declare module "*.css";

/** Vite's `?url`: the built file's address, fetched when it is needed. */
declare module "*?url" {
  const url: string;
  export default url;
}
