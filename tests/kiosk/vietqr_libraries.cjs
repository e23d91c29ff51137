// For vietqr_test.py: JSON lines {bin, account, card, amount, purpose} become JSON lines [vietnam-qr-pay's text, vietqr-ts's text].
// The first word is the folder that has node_modules.
"use strict";
const { createRequire } = require("node:module");
const readline = require("node:readline");

const load = createRequire(process.argv[2] + "/");
const { QRPay } = load("vietnam-qr-pay");
const { generateVietQR } = load("vietqr-ts");

function ofQrPay(c) {
	return QRPay.initVietQR({
		bankBin: c.bin,
		bankNumber: c.account,
		amount: c.amount || undefined,
		purpose: c.purpose || undefined,
		service: c.card ? "QRIBFTTC" : "QRIBFTTA",
	}).build();
}

function ofVietqrTs(c) {
	return generateVietQR({
		bankBin: c.bin,
		[c.card ? "cardNumber" : "accountNumber"]: c.account,
		serviceCode: c.card ? "QRIBFTTC" : "QRIBFTTA",
		amount: c.amount || undefined,
		purpose: c.purpose || undefined,
	}).rawData;
}

readline.createInterface({ input: process.stdin }).on("line", (line) => {
	const c = JSON.parse(line);
	process.stdout.write(JSON.stringify([ofQrPay(c), ofVietqrTs(c)]) + "\n");
});
