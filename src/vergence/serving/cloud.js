// Shows the points of a binary glTF file (as glb.py writes it) on every canvas with data-cloud.
(() => {
  const VERTEX = `attribute vec3 place; attribute vec4 colour; uniform mat4 view; uniform float size; varying vec4 seen;
    void main() { gl_Position = view * vec4(place, 1.0); gl_PointSize = clamp(size / gl_Position.w, 1.0, 9.0); seen = colour; }`;
  const FRAGMENT = "precision mediump float; varying vec4 seen; void main() { gl_FragColor = vec4(seen.rgb, 1.0); }";
  const START = { yaw: 0.3, pitch: 0.16, distance: 1.25 };

  function parts(buffer) {
    const length = new DataView(buffer).getUint32(12, true);
    const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 20, length)));
    const count = told.accessors[0].count, start = 28 + length;
    return { count, places: new Float32Array(buffer.slice(start, start + 12 * count)),
      colours: new Uint8Array(buffer.slice(start + 12 * count, start + 16 * count)) };
  }

  // Column by column: perspective of 50 degrees times a look at (0, 0, -1) from a sphere around it.
  function view({ yaw, pitch, distance }, aspect) {
    const back = [Math.sin(yaw) * Math.cos(pitch), Math.sin(pitch), Math.cos(yaw) * Math.cos(pitch)];
    const right = [Math.cos(yaw), 0, -Math.sin(yaw)];
    const up = [back[1] * right[2] - back[2] * right[1], back[2] * right[0] - back[0] * right[2], back[0] * right[1] - back[1] * right[0]];
    const eye = back.map((part, axis) => part * distance - (axis === 2 ? 1 : 0));
    const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    const f = 1 / Math.tan(Math.PI * 25 / 180), near = 0.01, far = 100, z = (far + near) / (near - far), w = 2 * far * near / (near - far);
    const sx = f / Math.max(aspect, 0.75) , sy = f * Math.min(1, aspect / 0.75);
    const columns = [0, 1, 2].map((axis) => [sx * right[axis], sy * up[axis], z * back[axis], -back[axis]]);
    return new Float32Array([...columns.flat(), -sx * dot(right, eye), -sy * dot(up, eye), -z * dot(back, eye) + w, dot(back, eye)]);
  }

  async function show(canvas) {
    const gl = canvas.getContext("webgl", { antialias: true });
    const answer = gl && await fetch(canvas.dataset.cloud);
    if (!gl || !answer.ok) { canvas.replaceWith(gl ? "The point cloud is here no more." : "This browser shows no 3-D; take the PLY file."); return; }
    const { count, places, colours } = parts(await answer.arrayBuffer());
    const program = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text); gl.compileShader(shader); gl.attachShader(program, shader);
    }
    gl.linkProgram(program); gl.useProgram(program); gl.enable(gl.DEPTH_TEST);
    for (const [name, data, width, type] of [["place", places, 3, gl.FLOAT], ["colour", colours, 4, gl.UNSIGNED_BYTE]]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
      const where = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(where); gl.vertexAttribPointer(where, width, type, type !== gl.FLOAT, 0, 0);
    }
    const pose = { ...START }, fingers = new Map();
    const draw = () => {
      const dense = Math.min(window.devicePixelRatio || 1, 2);
      canvas.width = canvas.clientWidth * dense; canvas.height = canvas.clientHeight * dense;
      if (!canvas.width || !canvas.height) return;
      gl.viewport(0, 0, canvas.width, canvas.height); gl.clearColor(0.07, 0.082, 0.1, 1); gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.uniformMatrix4fv(gl.getUniformLocation(program, "view"), false, view(pose, canvas.width / canvas.height));
      gl.uniform1f(gl.getUniformLocation(program, "size"), canvas.height * 0.008);
      gl.drawArrays(gl.POINTS, 0, count);
      canvas.dataset.drawn = count;
    };
    const change = (yaw, pitch, factor) => {
      pose.yaw += yaw; pose.pitch = Math.max(-1.5, Math.min(1.5, pose.pitch + pitch));
      pose.distance = Math.max(0.05, Math.min(20, pose.distance * factor)); requestAnimationFrame(draw);
    };
    const spread = () => { const [a, b] = [...fingers.values()]; return b ? Math.hypot(a[0] - b[0], a[1] - b[1]) : 0; };
    canvas.onpointerdown = (event) => { canvas.setPointerCapture(event.pointerId); fingers.set(event.pointerId, [event.clientX, event.clientY]); };
    canvas.onpointerup = canvas.onpointercancel = (event) => fingers.delete(event.pointerId);
    canvas.onpointermove = (event) => {
      const last = fingers.get(event.pointerId);
      if (!last) return;
      const before = spread();
      fingers.set(event.pointerId, [event.clientX, event.clientY]);
      if (before) change(0, 0, before / spread());
      else change((last[0] - event.clientX) * 0.006, (event.clientY - last[1]) * 0.006, 1);
    };
    canvas.onwheel = (event) => { event.preventDefault(); change(0, 0, Math.exp(event.deltaY * 0.001)); };
    canvas.ondblclick = () => { Object.assign(pose, START); draw(); };
    canvas.onkeydown = (event) => {
      const steps = { ArrowLeft: [-0.1, 0, 1], ArrowRight: [0.1, 0, 1], ArrowUp: [0, 0.1, 1], ArrowDown: [0, -0.1, 1], "+": [0, 0, 0.9], "-": [0, 0, 1.1] };
      if (steps[event.key]) { event.preventDefault(); change(...steps[event.key]); }
    };
    new ResizeObserver(draw).observe(canvas);
  }

  const look = () => document.querySelectorAll("canvas[data-cloud]:not([data-begun])").forEach((canvas) => { canvas.dataset.begun = "yes"; show(canvas); });
  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });
})();
