// Drives an unmodified tus-js-client as a test asks for, and says what happens, one JSON object a line.
// usage: node tus-client.mjs FOLDER_OF_NODE_MODULES '{"endpoint": …, "token": …, "file": …, …}'
import { createRequire } from 'node:module';
import { createReadStream, readFileSync } from 'node:fs';

const [folder, text] = process.argv.slice(2);
const tus = createRequire(`${folder}/`)('tus-js-client');
const asked = JSON.parse(text);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

let paused = false;
const options = {
  endpoint: asked.endpoint,
  headers: { Authorization: `Bearer ${asked.token}`, ...asked.headers },
  metadata: asked.metadata ?? {},
  retryDelays: asked.retryDelays ?? [0, 50, 100, 200, 400, 800, 1600, 3200, 3200],
  uploadDataDuringCreation: asked.duringCreation ?? false,
  overridePatchMethod: asked.overridePatch ?? false,
  onUploadUrlAvailable: () => say({ event: 'url', url: upload.url }),
  onChunkComplete: (_size, accepted) => {
    say({ event: 'chunk', accepted });
    if (asked.pauseAt && accepted >= asked.pauseAt && !paused) {
      paused = true;
      upload.abort().then(() => {
        say({ event: 'paused', accepted });
        upload.start();
      });
    }
  },
  onProgress: (sent) => {
    if (asked.dieAt && sent >= asked.dieAt) process.kill(process.pid, 'SIGKILL');
  },
  onError: (error) => {
    const response = error.originalResponse;
    say({ event: 'error', status: response?.getStatus() ?? 0, body: response?.getBody() ?? '', text: String(error) });
    process.exitCode = 1;
  },
  onSuccess: ({ lastResponse }) => say({ event: 'done', document: lastResponse.getHeader('Document-Location') }),
};
if ('chunkSize' in asked) options.chunkSize = asked.chunkSize ?? undefined;
if (asked.store) options.urlStorage = new tus.FileUrlStorage(asked.store);

// A stream has a path, by which the client knows the file again when it is started anew.
const source = asked.store ? createReadStream(asked.file) : readFileSync(asked.file);
const upload = new tus.Upload(source, options);
if (asked.terminate) {
  await tus.Upload.terminate(asked.terminate, options).then(
    () => say({ event: 'terminated' }),
    (error) => say({ event: 'error', status: error.originalResponse?.getStatus() ?? 0 }),
  );
} else {
  const before = asked.store ? await upload.findPreviousUploads() : [];
  if (before.length > 0) {
    say({ event: 'resumed', url: before[0].uploadUrl });
    upload.resumeFromPreviousUpload(before[0]);
  }
  upload.start();
}
