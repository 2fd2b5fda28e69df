import { useState } from "preact/hooks";
import { apiKey, keepKey, keyWanted } from "../api-key.ts";
import { Dialog } from "./dialog.tsx";

/** Asks for the API key when the server wants one. */
export function KeyDialog() {
  const [key, setKey] = useState("");
  if (!keyWanted.value) return null;
  const close = () => {
    keyWanted.value = false;
  };
  return (
    <Dialog title="API key needed" onClose={close}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (key.trim() !== "") keepKey(key.trim());
          setKey("");
        }}
      >
        <p>
          {apiKey.value
            ? "The server does not accept the key that you gave. It may have been deleted."
            : "This server only answers those who have a key."}{" "}
          It stays in this browser tab and is gone when you close it.
        </p>
        <label class="field">
          <span>API key</span>
          <input
            type="password"
            autocomplete="off"
            required
            value={key}
            onInput={(event) => setKey(event.currentTarget.value)}
          />
        </label>
        <div class="actions">
          <button type="submit" class="primary">
            Use this key
          </button>
        </div>
      </form>
    </Dialog>
  );
}
