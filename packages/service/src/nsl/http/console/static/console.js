"use strict";

// A mailed link carries its token behind the #, which no server sees and no log keeps.
function moveToken() {
  const field = document.querySelector("[data-fragment]");
  if (!field) return;
  const found = new URLSearchParams(location.hash.slice(1)).get(field.dataset.fragment);
  if (found) {
    field.value = found;
    history.replaceState(null, "", location.pathname + location.search);
  }
  document.querySelector("[data-when-token-missing]").hidden = field.value !== "";
}

function bytes(text) {
  const plain = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(plain, (character) => character.charCodeAt(0));
}

function text(buffer) {
  const plain = String.fromCharCode(...new Uint8Array(buffer));
  return btoa(plain).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function asJson(credential) {
  const response = {};
  for (const name of ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"]) {
    if (credential.response[name]) response[name] = text(credential.response[name]);
  }
  if (credential.response.getTransports) response.transports = credential.response.getTransports();
  return {
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response,
  };
}

function withBytes(descriptors) {
  return (descriptors || []).map((each) => ({ ...each, id: bytes(each.id) }));
}

async function send(path, body) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const content = await answer.json();
  if (answer.ok) return content;
  if (content.code === "STEP_UP_REQUIRED" || path.startsWith("/console/account") && answer.status === 401) {
    location.assign("/console/login?next=/console/account");
  }
  throw new Error(content.detail);
}

async function signInWithPasskey() {
  const options = await send("/v1/auth/passkeys/challenge");
  const credential = await navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: withBytes(options.allowCredentials) },
  });
  const body = { credential: asJson(credential) };
  for (const name of ["client_id", "request_uri", "next"]) {
    body[name] = document.querySelector(`input[name=${name}]`).value;
  }
  location.assign((await send("/console/login/passkey", body)).next);
}

async function addPasskey() {
  const options = await send("/console/account/passkeys/options");
  const credential = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: withBytes(options.excludeCredentials),
    },
  });
  const name = document.getElementById("passkey-name").value;
  await send("/console/account/passkeys", { credential: asJson(credential), name });
  location.reload();
}

// The browser's own words help nobody.
function reason(error) {
  if (error.name === "SecurityError") return "Passkeys work only where this service has a name of its own and HTTPS.";
  if (error.name === "InvalidStateError") return "This device holds a passkey of yours already.";
  return "The passkey was not used: cancelled, or none fits.";
}

async function telling(place, action) {
  const alert = place.querySelector("[data-passkey-error]");
  alert.hidden = true;
  try {
    await action();
  } catch (error) {
    alert.textContent = error instanceof DOMException ? reason(error) : error.message;
    alert.hidden = false;
  }
}

moveToken();
addEventListener("hashchange", moveToken);
if (window.PublicKeyCredential) {
  const login = document.querySelector("[data-script-only]");
  if (login) {
    login.hidden = false;
    login.querySelector("[data-passkey-login]").addEventListener("click", () => telling(login, signInWithPasskey));
  }
  const add = document.querySelector("[data-passkey-add]");
  if (add) {
    add.hidden = false;
    add.addEventListener("submit", (event) => {
      event.preventDefault();
      telling(add, addPasskey);
    });
  }
}
