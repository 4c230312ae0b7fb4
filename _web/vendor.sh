#!/bin/sh
# Copy what the pages need from node_modules to _web/vendor.
set -e
mkdir -p _web/vendor/mathjax/output
cp node_modules/mathjax/es5/tex-chtml.js _web/vendor/mathjax/
cp -r node_modules/mathjax/es5/output/chtml _web/vendor/mathjax/output/
mkdir -p _web/vendor/onnxruntime
for name in ort.wasm.min.js ort-wasm-simd-threaded.mjs ort-wasm-simd-threaded.wasm; do
  cp "node_modules/onnxruntime-web/dist/$name" _web/vendor/onnxruntime/
done
mkdir -p _web/vendor/openseadragon
cp node_modules/openseadragon/build/openseadragon/openseadragon.min.js _web/vendor/openseadragon/
