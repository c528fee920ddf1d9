// Sends one letter with Nodemailer; what to send and where is JSON on standard input.
"use strict";

const nodemailer = require("nodemailer");

async function main() {
  const asked = JSON.parse(require("node:fs").readFileSync(0, "utf8"));
  const transport = nodemailer.createTransport({
    host: asked.address,
    port: asked.port,
    secure: false,
    requireTLS: asked.starttls,
    ignoreTLS: !asked.starttls,
    tls: { rejectUnauthorized: false },
    auth: asked.user === null ? undefined : { user: asked.user, pass: asked.password },
  });
  const answer = await transport.sendMail({
    envelope: { from: asked.sender, to: asked.recipients },
    raw: Buffer.from(asked.content, "base64"),
  });
  console.log(JSON.stringify({ response: answer.response, rejected: answer.rejected }));
}

main().catch((error) => {
  console.log(String(error));
  process.exit(1);
});
