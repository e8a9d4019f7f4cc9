; Binary trees whose nodes know their parents, so that every tree is full of cycles: counting alone frees none of it.

(define (node parent) (let ((made (make-vector 3 '()))) (vector-set! made 2 parent) made))

(define (grow parent depth)
  (let ((made (node parent)))
    (if (> depth 0)
        (begin (vector-set! made 0 (grow made (- depth 1)))
               (vector-set! made 1 (grow made (- depth 1)))))
    made))

(define (count tree)
  (if (null? tree)
      0
      (+ 1 (count (vector-ref tree 0)) (count (vector-ref tree 1)))))

(define (root-of tree)
  (if (null? (vector-ref tree 2)) tree (root-of (vector-ref tree 2))))

(define (leftmost tree)
  (if (null? (vector-ref tree 0)) tree (leftmost (vector-ref tree 0))))

(let loop ((round 0))
  (if (< round 10)
      (let ((tree (grow '() 10)))
        (if (not (eq? (root-of (leftmost tree)) tree)) (error "a leaf has lost its root"))
        (if (= round 9) (print "nodes: " (count tree)))
        (loop (+ round 1)))))

(collect)
(print "nodes left: " (live "list"))
