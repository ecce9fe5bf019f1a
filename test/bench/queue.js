// `node queue.js SOCKET QUEUE add|work WARM COUNT`: what bullmq_bench.c does, by BullMQ's own Queue and Worker.
'use strict';
const Redis = require('ioredis');
const { Queue, Worker } = require('bullmq');
const [socket, name, what, ...numbers] = process.argv.slice(2);
const [warm, count] = numbers.map(Number);
const bulk = 1000;
const options = { attempts: 1, removeOnComplete: 100, removeOnFail: 100 };
const data = { id: '0b0e3c6e-5f0f-4c38-8a5c-0a7b1f3f7a11', attempt: 1 };
let cpu, began;

function begin() {
	cpu = process.cpuUsage();
	began = process.hrtime.bigint();
}

function tell() {
	const seconds = Number(process.hrtime.bigint() - began) / 1e9;
	const used = process.cpuUsage(cpu);
	console.log(JSON.stringify({ seconds, cpu: (used.user + used.system) / 1e6 }));
}

async function add(connection) {
	const queue = new Queue(name, { connection });
	await queue.waitUntilReady();
	const jobs = Array.from({ length: bulk }, () => ({ name: 'job', data, opts: options }));
	for (let done = 0; done < warm + count; done += bulk) {
		if (done === warm) begin();
		await queue.addBulk(jobs);
	}
	tell();
}

async function work(connection) {
	const worker = new Worker(name, async () => ({ ok: true }), { connection, autorun: false, concurrency: 1 });
	await worker.waitUntilReady();
	await new Promise((resolve, reject) => {
		let done = 0;
		worker.on('completed', () => {
			if (++done === warm) begin();
			if (done === warm + count) resolve();
		});
		worker.on('failed', (job, error) => reject(error));
		worker.run().catch(reject);
	});
	tell();
}

const connection = new Redis(socket, { maxRetriesPerRequest: null });
(what === 'add' ? add(connection) : work(connection)).then(() => process.exit(0), (error) => {
	console.error(error);
	process.exit(1);
});
