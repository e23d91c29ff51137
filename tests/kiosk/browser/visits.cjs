/*
 * People with a browser at a kiosk that runs: patients in three languages on a narrow screen, with scripts and without; a clerk
 * with the keyboard alone; a board.
 *
 *   node visits.cjs PACKAGES    in the environment: BASE, SECRET, LOGIN, PASSWORD, ADMIN,
 *                               ADMIN_PASSWORD, CHROMIUM, SHOTS (a folder for pictures)
 *
 * Says "ok NAME" for each visit; the first that fails ends it.
 */
"use strict";
const assert = require("assert");
const path = require("path");
const { chromium } = require(path.join(process.argv[2], "node_modules", "playwright-core"));
const { BASE, SECRET, LOGIN, PASSWORD, ADMIN, ADMIN_PASSWORD, SHOTS, CHROMIUM } = process.env;

const NARROW = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 800 };
const WORDS = {
	vi: { paid: "Đã thanh toán", cancelled: "Đã hủy", booked: "Đã đặt", specialty: "Nhi" },
	en: { paid: "Paid", cancelled: "Cancelled", booked: "Booked", specialty: "Children" },
	zh: { paid: "已付款", cancelled: "已取消", booked: "已预约", specialty: "儿科" },
};

let browser;

async function open(name, more) {
	const context = await browser.newContext({ viewport: NARROW, ...more });
	const page = await context.newPage();
	page.troubles = [];
	page.on("pageerror", (e) => page.troubles.push(String(e)));
	page.on("console", (m) => m.type() === "error" && page.troubles.push(m.text()));
	page.setDefaultTimeout(15000);
	page.picture = async (what) => {
		const wide = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth");
		assert.ok(wide <= 0, `${name} ${what}: ${wide} px wider than the screen`);
		await page.screenshot({ path: path.join(SHOTS, `${name}-${what}.png`), fullPage: true });
	};
	return page;
}

async function close(page) {
	assert.deepStrictEqual(page.troubles, []);
	await page.context().close();
}

async function pay(reference, amount, id) {
	const body = { id, gateway: "Test", transactionDate: "2026-11-22 10:00:00", accountNumber: "TEST0000", transferType: "in",
		transferAmount: amount, content: `${reference} kham benh` };
	const answer = await fetch(`${BASE}/hook/sepay`, { method: "POST", body: JSON.stringify(body),
		headers: { "Content-Type": "application/json", Authorization: `Apikey ${SECRET}` } });
	assert.strictEqual(answer.status, 200);
	assert.deepStrictEqual(await answer.json(), { success: true });
}

let people = 0;

/* Books; leaves the page on the ticket. */
async function book(page, lang, picture) {
	const id = ++people, phone = `09000001${String(id).padStart(2, "0")}`;
	await page.goto(`${BASE}/?lang=${lang}`);
	assert.strictEqual(await page.locator("html").getAttribute("lang"), lang);
	await picture("1-home");
	await page.getByRole("link", { name: WORDS[lang].specialty }).click();
	await picture("2-days");
	await page.locator("main .list a").first().click();
	await page.locator("input[name=slot]").first().check({ force: true });
	await page.locator("input[name=name]").fill("Nguyễn Thử Nghiệm");
	await page.locator("input[name=phone]").fill(phone);
	await page.locator("input[name=born]").fill("1980");
	await picture("3-form");
	await page.locator("main form button.wide").click();
	await page.waitForURL(`${BASE}/ticket`);
	await picture("4-ticket");
	return { id, phone, code: await page.locator(".code").innerText(), label: await page.locator(".number").innerText() };
}

async function patient(lang, scripts) {
	const name = `patient-${lang}-${scripts ? "scripts" : "plain"}`, words = WORDS[lang];
	const page = await open(name, { javaScriptEnabled: scripts });
	const mine = await book(page, lang, page.picture);
	const text = await page.locator("#pay").innerText();
	await pay(text.match(/KH[2-9A-Z]{8}/)[0], 150000, 1000 + mine.id);
	if (scripts) { /* the page looks by itself */
		await page.getByText(words.paid, { exact: true }).waitFor({ timeout: 30000 });
	} else {
		await page.locator("form[action='/paid'] button").click();
		await page.getByText(words.paid, { exact: true }).waitFor();
	}
	await page.picture("5-paid");
	await close(page);

	const other = await open(name, { javaScriptEnabled: scripts });
	await other.goto(`${BASE}/find?lang=${lang}`);
	if (scripts) { /* once is enough */
		await other.locator("input[name=code]").fill("AAAAA-AAAAA");
		await other.locator("input[name=phone]").fill(mine.phone);
		await other.locator("main form button").click();
		await other.locator("[role=alert]").waitFor();
		await other.picture("6-not-found");
		other.troubles.length = 0; /* a browser tells of each status behind 400 */
	}
	await other.locator("input[name=code]").fill(mine.code.toLowerCase());
	await other.locator("input[name=phone]").fill(mine.phone);
	await other.locator("main form button").click();
	await other.waitForURL(`${BASE}/ticket`);
	assert.strictEqual(await other.locator(".number").innerText(), mine.label);
	await other.locator("details:has(form[action='/cancel']) summary").click();
	await other.picture("7-cancel");
	await other.locator("form[action='/cancel'] button").click();
	await other.getByText(words.cancelled, { exact: true }).waitFor();
	await other.picture("8-cancelled");
	await close(other);
	console.log(`ok ${name}`);
}

/* Until the focus is on what fits: no pointer is used. */
async function tabTo(page, selector) {
	for (let i = 0; i < 60; i++) {
		await page.keyboard.press("Tab");
		if (await page.evaluate((s) => document.activeElement.matches(s), selector))
			return;
	}
	assert.fail(`Tab doesn't come to ${selector}`);
}

async function signIn(page, login = LOGIN, password = PASSWORD) {
	await page.goto(`${BASE}/staff?lang=en`);
	await page.locator("input[name=login]:focus").waitFor(); /* the page puts it there, a moment after it is here */
	await page.keyboard.type(login);
	await page.keyboard.press("Tab");
	await page.keyboard.type(password);
	await page.keyboard.press("Enter");
	await page.waitForURL(`${BASE}/staff`);
}

async function walkIn(page, name) {
	await page.keyboard.press("w");
	await page.waitForURL(/walk-in/);
	await page.locator("input[name=name]:focus").waitFor();
	await page.keyboard.type(name);
	await page.keyboard.press("Enter");
	await page.locator(".code").waitFor();
	const label = await page.locator(".number").innerText();
	await page.picture("slip");
	await page.keyboard.press("r");
	await page.waitForURL(/room/);
	return label;
}

/* The key is pressed where nobody writes, and the page that comes shows what is so. */
async function press(page, key) {
	await Promise.all([page.waitForNavigation(), page.keyboard.press(key)]);
	await page.waitForLoadState();
}

async function clerk() {
	const page = await open("clerk", { viewport: WIDE });
	await page.goto(`${BASE}/staff?lang=en`);
	await page.picture("1-sign-in");
	await signIn(page);
	await page.picture("2-rooms");
	await page.keyboard.press("1");
	await page.waitForURL(/room/);
	const one = await walkIn(page, "Trần Thị Một");
	const two = await walkIn(page, "Lê Văn <b>Hai</b>");
	await page.picture("3-waiting");
	assert.ok(!(await page.locator("main").innerText()).includes("Trần Thị Một"));
	await press(page, "n");
	const called = page.locator("section.note");
	assert.ok((await called.innerText()).includes("Trần Thị Một"));
	assert.ok((await called.innerText()).includes(one));
	await page.picture("4-called");
	await press(page, "a");
	await press(page, "s");
	assert.strictEqual(await called.count(), 0);
	await press(page, "n");
	assert.ok((await called.innerText()).includes("Lê Văn <b>Hai</b>"));
	assert.ok((await called.innerText()).includes(two));
	await press(page, "d");
	await press(page, "b");
	await page.picture("5-back");
	await press(page, "n");
	assert.ok((await called.innerText()).includes(one));
	await press(page, "d");
	await press(page, "p");
	await press(page, "n");
	await page.getByText("The room is paused.").waitFor();
	await page.picture("6-paused");
	await press(page, "p");
	for (const there of ["list", "tray", "statement"]) {
		await page.goto(`${BASE}/staff/${there}`);
		await page.picture(`7-${there}`);
	}
	await close(page);
	console.log("ok clerk");
}

/* Tab and Enter are enough. */
async function clerkWithoutScripts() {
	const page = await open("clerk-plain", { javaScriptEnabled: false });
	await signIn(page);
	await tabTo(page, "main .list a");
	await page.keyboard.press("Enter");
	await page.waitForURL(/room/);
	await page.picture("1-room");
	await tabTo(page, "main a[href*='walk-in']");
	await page.keyboard.press("Enter");
	await page.waitForURL(/walk-in/);
	await page.locator("input[name=name]:focus").waitFor();
	await page.keyboard.type("Phạm Ba");
	await page.keyboard.press("Enter");
	await page.locator(".code").waitFor();
	await tabTo(page, "main a[href*='room']");
	await page.keyboard.press("Enter");
	await page.waitForURL(/room/);
	await tabTo(page, "form[action='/staff/next'] button");
	await press(page, "Enter");
	assert.ok((await page.locator("section.note").innerText()).includes("Phạm Ba"));
	await page.picture("2-called");
	await tabTo(page, "form[action='/staff/done'] button");
	await press(page, "Enter");
	assert.strictEqual(await page.locator("section.note").count(), 0);
	await close(page);
	console.log("ok clerk-plain");
}

/* Who is booked for today comes to the counter with the code. */
async function checkIn() {
	const patient = await open("check-in"), page = await open("check-in", { viewport: WIDE });
	const mine = await book(patient, "en", async () => {});
	await signIn(page);
	await page.keyboard.press("1");
	await page.waitForURL(/room/);
	await tabTo(page, "input[name=code]");
	await page.keyboard.type(mine.code);
	await page.keyboard.press("Enter");
	await page.waitForURL(/arrived=/);
	assert.ok((await page.locator("[role=status]").innerText()).includes(`${mine.label}, Nguyễn Thử Nghiệm`));
	await page.picture("1-arrived");
	await page.locator("input[name=code]:focus").waitFor();
	await page.keyboard.type(mine.label); /* again, by the number */
	await page.keyboard.press("Enter");
	await page.getByText("The ticket is in another state.").waitFor();
	await patient.reload();
	await patient.picture("2-ticket-arrived");
	await page.evaluate("document.activeElement.blur()");
	await press(page, "n");
	await press(page, "d");
	await close(patient);
	await close(page);
	console.log("ok check-in");
}

/* So many tones by now. */
async function hears(page, n) {
	const end = Date.now() + 15000;
	while (await page.evaluate("window.tones") < n && Date.now() < end)
		await new Promise((then) => setTimeout(then, 50));
	assert.strictEqual(await page.evaluate("window.tones"), n);
}

async function board() {
	const staff = await open("board-clerk", { viewport: WIDE }), screen = await open("board", { viewport: WIDE });
	const plain = await open("board-plain", { viewport: WIDE, javaScriptEnabled: false });
	await screen.addInitScript(() => {
		window.tones = 0;
		const start = OscillatorNode.prototype.start;
		OscillatorNode.prototype.start = function (at) { window.tones++; return start.call(this, at); };
	});
	await signIn(staff);
	await staff.keyboard.press("1");
	await staff.waitForURL(/room/);
	const first = await walkIn(staff, "Hoàng Bốn"), second = await walkIn(staff, "Vũ Năm");
	await screen.goto(`${BASE}/board`);
	await plain.goto(`${BASE}/board`);
	await screen.picture("1-next");
	await press(staff, "n");
	await screen.locator(".number", { hasText: first }).waitFor();
	await screen.picture("2-called");
	assert.strictEqual(await screen.evaluate("window.tones"), 0); /* nobody allowed it yet */
	await screen.locator("[data-sound]").click();
	await hears(screen, 2);
	await press(staff, "d");
	await press(staff, "n");
	await screen.locator(".number", { hasText: second }).waitFor();
	await hears(screen, 4);
	await press(staff, "a");
	await hears(screen, 6);
	await plain.locator(".number", { hasText: second }).waitFor({ timeout: 30000 });
	await plain.picture("1-called");
	for (const page of [screen, plain])
		assert.ok(!/Hoàng|Bốn|Vũ|Năm|B\*\*/.test(await page.content()));
	await press(staff, "d");
	await screen.setViewportSize(NARROW);
	await screen.picture("3-narrow");
	await close(staff);
	await close(screen);
	await close(plain);
	console.log("ok board");
}

/* A room more, its hours, a day off on which somebody has a booking; on a narrow screen, without scripts. */
async function admin() {
	const page = await open("admin", { javaScriptEnabled: false });
	await signIn(page, ADMIN, ADMIN_PASSWORD);
	for (const there of ["", "/rooms", "/hours", "/holidays", "/people", "/settings"]) {
		await page.goto(`${BASE}/admin${there}`);
		for (const fold of await page.locator("summary").all())
			await fold.click();
		await page.picture(`1${there.replace("/", "-")}`);
	}
	await page.goto(`${BASE}/admin/rooms`);
	await page.locator("input[name=name]").fill("Phòng 3");
	await page.locator("input[name=letter]").fill("C");
	await page.locator("main form button").click();
	await page.getByText("Done.").waitFor();
	await page.goto(`${BASE}/admin/hours`);
	await page.getByRole("link", { name: "Phòng 3" }).click();
	await page.locator("summary").last().click();
	await page.locator("form[action='/admin/hours'] button").last().click();
	await page.getByText("Monday 7:30–11:30").waitFor();
	await page.picture("2-hours-of-a-room");
	await page.goto(`${BASE}/admin/holidays`);
	await page.locator("input[name=day]").fill(await today());
	await page.locator("input[name=name]").fill("Nghỉ <lễ>");
	await page.locator("form[action='/admin/holidays'] button").click();
	await page.getByText("Booked on this holiday, and to be told: 1.").waitFor();
	await page.picture("3-holiday");
	await page.locator("form[action='/admin/holidays/remove'] button").first().click();
	await page.getByText("Done.").waitFor();
	await close(page);
	console.log("ok admin");
}

/* The first day that can be booked. */
async function today() {
	const text = await (await fetch(`${BASE}/s/1`)).text();
	return text.match(/\/s\/1\/(\d{4}-\d\d-\d\d)/)[1];
}

async function main() {
	browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
	await Promise.all(Object.keys(WORDS).flatMap((lang) => [patient(lang, true), patient(lang, false)]));
	await clerk();
	await clerkWithoutScripts();
	await checkIn();
	await board();
	await book(await open("told"), "en", async () => {});
	await admin();
	await browser.close();
}

main().catch((e) => {
	console.error(e);
	process.exit(1);
});
